// Decisions of the sampled agents: a row an agent, a column a tick, grouped by policy.

class Raster {
  // panel: {population, kind, agents: [[id, policy]], cells: [text], labels | low, high}
  constructor(panel) {
    this.panel = panel;
    this.tall = Math.max(2, Math.min(6, Math.round(320 / panel.agents.length)));
    this.canvas = el("canvas", {
      role: "img", "aria-label": `Decisions ${panel.kind} of ${panel.agents.length} agents over time`,
      onpointermove: (event) => this.hover(event), onpointerdown: (event) => this.hover(event),
      onpointerleave: () => { this.tip.hidden = true; },
    });
    this.tip = el("div", { class: "tip", hidden: true });
    this.who = el("div", { class: "who" });
    this.groups = [];
    panel.agents.forEach(([, policy], i) => {
      const last = this.groups[this.groups.length - 1];
      if (last && last.policy === policy) last.to = i + 1; else this.groups.push({ policy, from: i, to: i + 1 });
    });
    this.gap = this.groups.length > 1 ? 6 : 0;
    this.rows = [];
    this.groups.forEach((group, g) => {
      for (let i = group.from; i < group.to; i++) this.rows.push(i * this.tall + g * this.gap);
    });
    this.height = panel.agents.length * this.tall + (this.groups.length - 1) * this.gap;
    for (const group of this.groups) {
      const name = el("span", {}, group.policy);
      name.style.top = `${(this.rows[group.from] + this.rows[group.to - 1] + this.tall) / 2}px`;
      this.who.append(name);
    }
    this.axis = svg("svg", { height: 22, class: "axis-only" });
    this.node = el("div", {},
      this.legend(),
      el("div", { class: "raster" }, this.who, el("div", { class: "frame plot" }, this.canvas, this.axis, this.tip)));
    this.canvas.style.height = `${this.height}px`;
    const names = Math.max(...this.groups.map((g) => g.policy.length));
    this.who.style.width = `${Math.min(names * 6.6, 110)}px`;
    onResize(this.node, () => this.draw());
    REDRAW.push(() => { this.draw(); this.node.firstChild.replaceWith(this.legend()); });
  }

  paint(mark) {
    if (mark === ".") return null;
    if (mark === "x") return cssColour("--s7");
    const code = Number(mark), labels = this.panel.labels;
    if (!labels) return rgb(ramp(0.08 + (0.92 * code) / 8));
    if (labels.length === 2) return rgb(ramp(code ? 0.78 : 0.18));
    return cssColour(`--s${code % 8}`);
  }

  draw() {
    const wide = TICKS.length, dots = devicePixelRatio || 1;
    const across = Math.max(wide, Math.round((this.canvas.clientWidth || 800) * dots));
    this.canvas.width = across;
    this.canvas.height = Math.round(this.height * dots);
    const ink = this.canvas.getContext("2d");
    const paints = Object.fromEntries([..."012345678x."].map((mark) => [mark, this.paint(mark)]));
    const thin = this.tall > 3 ? 1 : 0;
    const edge = (t) => Math.round((t / wide) * across);
    this.panel.cells.forEach((marks, i) => {
      const top = Math.round(this.rows[i] * dots), tall = Math.round((this.tall - thin) * dots);
      for (let t = 0; t < wide; t++) {
        const paint = paints[marks[t]];
        if (!paint) continue;
        ink.fillStyle = paint;
        ink.fillRect(edge(t), top, edge(t + 1) - edge(t), tall);
      }
    });
    const room = this.canvas.clientWidth || 800, first = TICKS[0], last = TICKS[wide - 1];
    this.axis.setAttribute("viewBox", `0 0 ${room} 22`);
    let free = -Infinity;
    this.axis.replaceChildren(...timeAxis(first, last, Math.max(2, room / 90)).flatMap((mark) => {
      const x = last === first ? room / 2 : ((mark.tick - first + 0.5) / (last - first + 1)) * room;
      const half = mark.text.length * 3.2, centre = Math.min(Math.max(x, half), room - half);
      if (centre - half < free + 8) return [];
      free = centre + half;
      return [svg("text", { x: centre, y: 16, "text-anchor": "middle" }, mark.text)];
    }));
  }

  legend() {
    const { labels, low, high, cells } = this.panel;
    const key = (paint, text) => {
      const square = svg("svg", { viewBox: "0 0 20 10" }, svg("rect", { x: 5, width: 10, height: 10, rx: 2, fill: paint }));
      return el("button", { type: "button", disabled: true }, square, text);
    };
    const items = labels ? labels.map((label, i) => key(this.paint(String(i)), label))
      : [key(this.paint("0"), number(low)), key(this.paint("4"), number((low + high) / 2)), key(this.paint("8"), number(high))];
    if (cells.some((marks) => marks.includes("x"))) items.push(key(this.paint("x"), "no valid decision"));
    return el("div", { class: "legend" }, items);
  }

  hover(event) {
    const bounds = this.canvas.getBoundingClientRect();
    const t = Math.min(TICKS.length - 1, Math.max(0, Math.floor(((event.clientX - bounds.left) / bounds.width) * TICKS.length)));
    const y = event.clientY - bounds.top;
    const i = this.rows.findIndex((top) => y >= top && y < top + this.tall);
    this.tip.hidden = i < 0;
    if (i < 0) return;
    const [id, policy] = this.panel.agents[i], mark = this.panel.cells[i][t];
    const { labels, low, high } = this.panel;
    const step = (high - low) / 9;
    const told = mark === "." ? "not asked" : mark === "x" ? "no valid decision"
      : labels ? labels[Number(mark)]
      : low === high ? number(low) : `${number(low + step * Number(mark))} to ${number(low + step * (Number(mark) + 1))}`;
    this.tip.replaceChildren(el("b", {}, told), `agent ${id}, ${policy}`, el("br"), when(TICKS[t]));
    const share = (t + 0.5) / TICKS.length;
    this.tip.style.left = share > 0.5 ? "auto" : `calc(${(share * 100).toFixed(1)}% + 12px)`;
    this.tip.style.right = share > 0.5 ? `calc(${((1 - share) * 100).toFixed(1)}% + 12px)` : "auto";
    this.tip.style.top = `${Math.max(0, Math.min(this.height - 64, y - 30))}px`;
  }
}
