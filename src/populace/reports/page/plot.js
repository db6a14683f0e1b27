// Lines and stacked columns over time, with a cross-hair, a legend that hides series, and exports.

class Plot {
  // spec: {title, unit, kind: "line" | "bar", smooth, series: [{label, values, real?}]}
  // options: height, small (one of many), high (shared top of the axis), colours, onMove
  constructor(spec, options = {}) {
    this.spec = spec;
    this.options = options;
    this.hidden = new Set();
    this.at = null;
    this.series = spec.series.map((s, i) => ({
      ...s,
      colour: options.colour || colour(i),
      mean: trailingMean(s.values, spec.smooth || 1),
      realMean: s.real && trailingMean(s.real, spec.smooth || 1),
    }));
    this.tip = el("div", { class: "tip", role: "status", hidden: true });
    this.svg = svg("svg", {
      tabindex: 0, role: "img", class: "chart",
      "aria-label": `${spec.title}. ${this.summary()} Use the arrow keys to read values.`,
      onpointermove: (event) => this.move(this.nearest(event)),
      onpointerdown: (event) => this.move(this.nearest(event)),
      onpointerleave: () => this.move(null),
      onblur: () => this.move(null),
      onkeydown: (event) => this.key(event),
    });
    this.node = el("div", { class: "plot" }, this.svg, this.tip);
    onResize(this.node, () => this.draw());
  }

  summary() {
    return this.series.slice(0, 8).map((s) => {
      const known = s.values.filter((v) => v !== null);
      if (!known.length) return `${s.label}: no value.`;
      const high = known.reduce((a, b) => Math.max(a, b));
      return `${s.label}: ends at ${number(known[known.length - 1])}, highest ${number(high)} at ${when(TICKS[s.values.indexOf(high)])}.`;
    }).join(" ");
  }

  get shown() { return this.series.filter((s) => !this.hidden.has(s)); }

  extent() {
    let low = Infinity, high = -Infinity;
    const take = (v) => { if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); } };
    if (this.spec.kind === "bar") {
      take(0);
      TICKS.forEach((_, i) => {
        take(this.shown.reduce((sum, s) => sum + Math.max(0, s.values[i] || 0), 0));
        take(this.shown.reduce((sum, s) => sum + Math.min(0, s.values[i] || 0), 0));
      });
    } else for (const s of this.shown) s.values.forEach(take);
    for (const s of this.shown) if (s.real) s.real.forEach(take);
    if (this.options.high !== undefined) { take(this.options.high); take(this.options.low); }
    return [low, high];
  }

  draw() {
    const small = this.options.small, wide = this.node.clientWidth || 600;
    const tall = this.options.height || (wide < 480 ? 230 : 290);
    const axis = valueAxis(...this.extent(), small ? 2 : 5);
    const left = (small ? 10 : 12) + (small ? 5.8 : 6.8) * Math.max(...axis.marks.map((m) => m.text.length));
    const box = { left, right: wide - (small ? 4 : 12), top: small ? 6 : 12, bottom: tall - (small ? 16 : 24) };
    const first = TICKS[0], last = TICKS[TICKS.length - 1];
    // Columns stand on their tick, so half a column of room is left at either end.
    const pad = this.spec.kind === "bar" ? (box.right - box.left) / (TICKS.length * 2) : 0;
    this.x = (tick) => last === first ? (box.left + box.right) / 2
      : box.left + pad + ((tick - first) / (last - first)) * (box.right - box.left - 2 * pad);
    this.y = (value) => box.bottom - ((value - axis.low) / (axis.high - axis.low)) * (box.bottom - box.top);
    this.box = box;
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    const parts = [];
    for (const mark of axis.marks) {
      const y = Math.round(this.y(mark.value)) + 0.5;
      const zero = Math.abs(mark.value) < 1e-12;
      parts.push(svg("path", { class: zero ? "axis" : "grid", d: `M${box.left} ${y}H${box.right}` }));
      parts.push(svg("text", { x: box.left - 7, y: y + 4, "text-anchor": "end" }, mark.text));
    }
    let free = -Infinity; // labels of the time axis never overlap
    for (const mark of timeAxis(first, last, Math.max(2, (box.right - box.left) / (small ? 30 : 76)))) {
      if (small) mark.text = mark.text.replace(/ \d{4}$/, "");
      const x = this.x(mark.tick), half = mark.text.length * (small ? 2.8 : 3.2);
      if (!small) parts.push(svg("path", { class: "axis", d: `M${x.toFixed(1)} ${box.bottom}v4` }));
      const centre = Math.min(Math.max(x, half), wide - half);
      if (centre - half < free + 8) continue;
      free = centre + half;
      parts.push(svg("text", { x: centre.toFixed(1), y: tall - (small ? 4 : 6), "text-anchor": "middle" }, mark.text));
    }
    this.marks = svg("g", { class: "marks" });
    if (this.spec.kind === "bar") this.drawBars(); else this.drawLines();
    this.drawReal();
    this.cross = svg("g", { class: "cross" });
    this.pins = svg("g", { class: "pin" });
    this.svg.replaceChildren(...parts, this.pins, this.drawEvents(first, last), this.marks, this.cross);
    this.pin(this.pinned);
    this.move(this.at);
  }

  // Mark a tick for good, where the cross-hair comes and goes.
  pin(tick) {
    this.pinned = tick;
    if (!this.pins || tick === undefined) return;
    const x = this.x(tick);
    this.pins.replaceChildren(svg("line", { x1: x, x2: x, y1: this.box.top, y2: this.box.bottom }));
  }

  // What interventions did: a line at each tick, with its name where there is room.
  drawEvents(first, last) {
    const group = svg("g", { class: "events" });
    const free = [-Infinity, -Infinity, -Infinity]; // in three rows, so that near names are all read
    for (const [tick, name] of DATA.events.marks) {
      if (tick < first || tick > last) continue;
      const x = this.x(tick);
      group.append(svg("path", { d: `M${x.toFixed(1)} ${this.box.top}V${this.box.bottom}` },
        svg("title", {}, `${when(tick)}: ${name}`)));
      if (this.options.small) continue;
      const wide = name.length * 5.9, left = x + 5 + wide > this.box.right;
      const start = left ? x - 5 - wide : x + 5;
      const row = free.findIndex((end) => start >= end);
      if (row < 0 || start < this.box.left) continue;
      free[row] = start + wide + 6;
      group.append(svg("text", { x: (left ? x - 5 : x + 5).toFixed(1), y: this.box.top + 9 + 13 * row, "text-anchor": left ? "end" : "start" }, name));
    }
    return group;
  }

  path(values) {
    let d = "", pen = false;
    values.forEach((value, i) => {
      if (value === null) { pen = false; return; }
      d += `${pen ? "L" : "M"}${this.x(TICKS[i]).toFixed(1)} ${this.y(value).toFixed(1)}`;
      if (!pen && (i + 1 === values.length || values[i + 1] === null)) d += "h0"; // a lone point shows
      pen = true;
    });
    return d;
  }

  drawLines() {
    for (const s of this.shown) {
      if (s.mean !== s.values) this.marks.append(svg("path", { class: "sim raw", stroke: s.colour, d: this.path(s.values) }));
      this.marks.append(svg("path", {
        class: TICKS.length === 1 ? "sim lone" : this.options.small ? "sim small" : "sim",
        stroke: s.colour, d: this.path(s.mean), "data-series": s.name,
      }));
    }
  }

  drawBars() {
    const room = (this.box.right - this.box.left) / TICKS.length;
    const wide = Math.max(1, Math.min(60, room > 4 ? room - 1 : room));
    const above = TICKS.map(() => 0), below = TICKS.map(() => 0);
    for (const s of this.shown) {
      let d = "";
      s.values.forEach((value, i) => {
        if (!value) return;
        const stack = value > 0 ? above : below;
        const x = this.x(TICKS[i]) - wide / 2, from = this.y(stack[i]), to = this.y(stack[i] += value);
        d += `M${x.toFixed(1)} ${from.toFixed(1)}V${to.toFixed(1)}h${wide.toFixed(1)}V${from.toFixed(1)}Z`;
      });
      this.marks.append(svg("path", { class: "bars", fill: s.colour, d, "data-series": s.name }));
    }
  }

  drawReal() {
    for (const s of this.shown.filter((each) => each.real)) {
      const stroke = this.realColour(s);
      let d = "";
      s.real.forEach((value, i) => {
        if (value !== null) d += `M${this.x(TICKS[i]).toFixed(1)} ${this.y(value).toFixed(1)}h0`;
      });
      const smooth = s.realMean !== s.real;
      this.marks.append(svg("path", { class: smooth ? "real raw" : "real", stroke, d, "data-real": s.name }));
      if (smooth) this.marks.append(svg("path", { class: "real mean", stroke, d: this.path(s.realMean) }));
    }
  }

  // Ink where one series is drawn; the hue of its series where there are several.
  realColour(s) { return this.series.length === 1 ? "var(--ink)" : s.colour; }

  nearest(event) {
    const bounds = this.svg.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * this.svg.viewBox.baseVal.width;
    let low = 0, high = TICKS.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.x(TICKS[middle]) < x) low = middle; else high = middle;
    }
    return x - this.x(TICKS[low]) < this.x(TICKS[high]) - x ? low : high;
  }

  key(event) {
    const last = TICKS.length - 1, step = event.shiftKey ? 10 : 1;
    const to = {
      ArrowRight: () => (this.at === null ? 0 : Math.min(last, this.at + step)),
      ArrowLeft: () => (this.at === null ? last : Math.max(0, this.at - step)),
      Home: () => 0, End: () => last, Escape: () => null,
    }[event.key];
    if (to) { event.preventDefault(); this.move(to()); }
  }

  move(i) {
    this.at = i;
    this.tip.hidden = i === null;
    if (this.options.onMove) this.options.onMove(i);
    if (i === null || !this.cross) { if (this.cross) this.cross.replaceChildren(); return; }
    const x = this.x(TICKS[i]);
    const marks = [svg("line", { x1: x, x2: x, y1: this.box.top, y2: this.box.bottom })];
    const rows = [];
    for (const s of this.shown) {
      const mean = s.mean !== s.values && s.values[i] !== null ? ` (mean ${number(s.mean[i])})` : "";
      rows.push([s.colour, "", s.label, number(s.values[i]) + mean]);
      if (this.spec.kind !== "bar" && s.mean[i] !== null) {
        marks.push(svg("circle", { cx: x, cy: this.y(s.mean[i]), r: 4, fill: s.colour }));
      }
      if (s.real && s.real[i] !== null) {
        const stroke = this.realColour(s);
        const realMean = s.realMean !== s.real ? ` (mean ${number(s.realMean[i])})` : "";
        rows.push([stroke, "dot", this.series.length === 1 ? "real" : `${s.label}, real`, number(s.real[i]) + realMean]);
        marks.push(svg("circle", { cx: x, cy: this.y(s.real[i]), r: 4, fill: stroke }));
      }
    }
    this.cross.replaceChildren(...marks);
    const done = DATA.events.marks.find(([tick]) => tick === TICKS[i]);
    this.tip.replaceChildren(el("b", {}, when(TICKS[i])), done ? el("div", { class: "done" }, done[1]) : "", el("table", {}, rows.map(([ink, dot, label, value]) => {
      const key = el("i", { class: dot });
      key.style.background = ink;
      return el("tr", {}, el("td", {}, key), el("td", {}, label), el("td", { class: "num" }, value));
    })));
    const share = x / this.svg.viewBox.baseVal.width;
    this.tip.style.left = share > 0.5 ? "auto" : `calc(${(share * 100).toFixed(1)}% + 14px)`;
    this.tip.style.right = share > 0.5 ? `calc(${((1 - share) * 100).toFixed(1)}% + 14px)` : "auto";
  }

  legend() {
    const real = this.series.some((s) => s.real);
    if (this.series.length === 1 && !real) return null;
    const items = this.series.map((s) => el("button", {
      type: "button", "aria-pressed": "true", title: "Show or hide",
      onclick: (event) => {
        if (this.hidden.has(s)) this.hidden.delete(s); else this.hidden.add(s);
        event.currentTarget.setAttribute("aria-pressed", String(!this.hidden.has(s)));
        this.draw();
      },
    }, this.swatch(s), this.series.length === 1 && real ? "simulated" : s.label));
    if (real) {
      const stroke = this.series.length === 1 ? "var(--ink)" : "var(--dim)";
      items.push(el("button", { type: "button", disabled: true, class: "still" },
        svg("svg", { viewBox: "0 0 20 10" }, svg("path", { class: "real", stroke, d: "M3 5h0M10 5h0M17 5h0" })), "real"));
    }
    return el("div", { class: "legend", role: "group", "aria-label": "Series" }, items);
  }

  swatch(s) {
    return svg("svg", { viewBox: "0 0 20 10" }, this.spec.kind === "bar"
      ? svg("rect", { x: 3, width: 14, height: 10, rx: 2, fill: s.colour })
      : svg("path", { class: "sim", stroke: s.colour, d: "M2 5H18" }));
  }
}

// ---- exports -----------------------------------------------------------------------------------

function save(name, type, text) {
  const link = el("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

const fileName = (title, ending) => `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "") || "chart"}.${ending}`;

function csvOf(spec) {
  const quote = (v) => (/[",\n]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v);
  const columns = spec.series.flatMap((s) => [[s.label, s.values], ...(s.real ? [[`${s.label} (real)`, s.real]] : [])]);
  const head = ["tick", "time", ...columns.map(([label]) => label)];
  const rows = TICKS.map((t, i) => [t, when(t), ...columns.map(([, values]) => values[i] ?? "")]);
  return [head, ...rows].map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

// The drawing with its title and legend as a file of its own, every style written out.
function svgOf(plot) {
  const copy = plot.svg.cloneNode(true);
  const styles = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "stroke-linejoin", "opacity", "font-size", "font-family", "text-anchor"];
  const from = plot.svg.querySelectorAll("*"), to = copy.querySelectorAll("*");
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of styles) to[i].setAttribute(name, style.getPropertyValue(name));
  });
  const { width, height } = plot.svg.viewBox.baseVal, font = getComputedStyle(document.body).fontFamily;
  const resolve = (paint) => (paint.startsWith("var(") ? cssColour(paint.slice(4, -1)) : paint);
  const text = (x, y, size, weight, ink, words) =>
    svg("text", { x, y, "font-size": size, "font-weight": weight, "font-family": font, fill: cssColour(ink) }, words);
  const head = svg("g", {}, text(0, -38, 17, 650, "--ink", plot.spec.title));
  let x = 0;
  const key = (label, paint, dot) => {
    head.append(svg("circle", { cx: x + 5, cy: -17, r: dot ? 3 : 5, fill: resolve(paint) }), text(x + 15, -13, 12, 400, "--ink", label));
    x += 34 + label.length * 6.4;
  };
  plot.shown.forEach((s) => {
    key(plot.series.length === 1 && s.real ? "simulated" : s.label, s.colour, false);
    if (s.real) key(plot.series.length === 1 ? "real" : `${s.label}, real`, plot.realColour(s), true);
  });
  if (plot.spec.unit) head.append(text(0, 2, 12, 400, "--dim", plot.spec.unit));
  copy.append(head);
  copy.setAttribute("viewBox", `-16 -70 ${width + 32} ${height + 84}`);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width + 32);
  copy.setAttribute("height", height + 84);
  copy.prepend(svg("rect", { x: -16, y: -70, width: width + 32, height: height + 84, fill: cssColour("--paper") }));
  return new XMLSerializer().serializeToString(copy);
}
