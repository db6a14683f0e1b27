// A grid of tiles, one an area, coloured by value; a slider and a play button move through time.

class TileMap {
  // spec: {title, unit, series: [{label, values}], tiles: [[column, row]]}
  constructor(spec) {
    this.spec = spec;
        const all = spec.series.flatMap((s) => s.values).filter((v) => v !== null).sort((a, b) => a - b);
    // The top colour stands for the highest half per cent, so that one small area does not pale the rest.
    this.high = all.length ? all[Math.min(all.length - 1, Math.floor(all.length * 0.995))] : 1;
    this.low = Math.min(0, all.length ? all[0] : 0);
    if (this.high <= this.low) this.high = all.length && all[all.length - 1] > this.low ? all[all.length - 1] : this.low + 1;
    this.clipped = all.length > 0 && all[all.length - 1] > this.high;
    this.at = this.fullest();
    this.grid = svg("svg", { role: "img", "aria-label": `${spec.title}: map of ${spec.series.length} areas`, class: "map" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.slider = el("input", { type: "range", min: 0, max: TICKS.length - 1, step: 1, "aria-label": "Time",
      oninput: () => { this.stop(); this.show(Number(this.slider.value)); } });
    this.play = el("button", { type: "button", onclick: () => (this.timer ? this.stop() : this.start()) }, "▶ Play");
    this.output = el("output", {});
    this.ramp = el("div", { class: "ramp" });
    this.area = el("div", { class: "area" });
    this.node = el("div", { class: "map-and-area" },
      el("div", { class: "plot" }, this.grid, this.tip),
      el("div", {}, el("div", { class: "controls" }, this.play, this.slider, this.output), this.ramp, this.area));
    this.build();
    onResize(this.node, () => this.label());
    REDRAW.push(() => this.show(this.at));
    this.show(this.at);
    this.choose(this.highest());
  }

  fullest() {
    let best = 0, most = -Infinity;
    TICKS.forEach((_, i) => {
      const sum = this.spec.series.reduce((total, s) => total + (s.values[i] || 0), 0);
      if (sum > most) { most = sum; best = i; }
    });
    return best;
  }

  highest() {
    const now = this.spec.series.map((s) => s.values[this.at] ?? -Infinity);
    return now.indexOf(Math.max(...now));
  }

  build() {
    const columns = Math.max(...this.spec.tiles.map(([c]) => c)) + 1, rows = Math.max(...this.spec.tiles.map(([, r]) => r)) + 1;
    const left = Math.min(...this.spec.tiles.map(([c]) => c)), top = Math.min(...this.spec.tiles.map(([, r]) => r));
    this.columns = columns - left;
    this.grid.style.maxWidth = `${(columns - left) * 46}px`;
    this.grid.setAttribute("viewBox", `${left * 40} ${top * 40} ${(columns - left) * 40} ${(rows - top) * 40}`);
    this.tiles = this.spec.series.map((s, i) => {
      const [column, row] = this.spec.tiles[i];
      const tile = svg("rect", {
        class: "tile", x: column * 40, y: row * 40, width: 40, height: 40, rx: 5, tabindex: 0, role: "button", "aria-label": s.label,
        onpointerenter: () => this.hover(i), onpointerleave: () => this.hover(null),
        onfocus: () => this.hover(i), onblur: () => this.hover(null),
        onclick: () => this.choose(i),
        onkeydown: (event) => this.key(event, i),
      });
      const name = svg("text", { class: "tile-name", x: column * 40 + 20, y: row * 40 + 24 }, s.name.length <= 5 ? s.name : "");
      this.grid.append(tile, name);
      return { tile, name };
    });
  }

  label() {
    const room = (this.grid.clientWidth || 400) / this.columns;
    for (const { name } of this.tiles) name.setAttribute("visibility", room >= 36 ? "visible" : "hidden");
  }

  show(i) {
    this.at = i;
    this.slider.value = i;
    this.output.textContent = when(TICKS[i]);
    this.slider.setAttribute("aria-valuetext", when(TICKS[i]));
    this.spec.series.forEach((s, k) => {
      const { tile, name } = this.tiles[k], value = s.values[i];
      tile.classList.toggle("none", value === null);
      if (value === null) { tile.removeAttribute("fill"); return; }
      const paint = ramp((value - this.low) / (this.high - this.low));
      tile.setAttribute("fill", rgb(paint));
      name.style.fill = inkOn(paint);
    });
    const stops = [0, 0.25, 0.5, 0.75, 1].map((o) => svg("stop", { offset: o, "stop-color": rgb(ramp(o)) }));
    const id = `ramp-${this.spec.id}`;
    this.ramp.replaceChildren(number(this.low),
      svg("svg", { viewBox: "0 0 150 10", preserveAspectRatio: "none" }, svg("defs", {}, svg("linearGradient", { id }, stops)),
        svg("rect", { width: 150, height: 10, fill: `url(#${id})` })),
      `${number(this.high)}${this.clipped ? " and more" : ""}${this.spec.unit ? ` ${this.spec.unit}` : ""}`);
    this.hover(this.over ?? null);
  }

  hover(k) {
    this.over = k;
    this.tip.hidden = k === null;
    if (k === null) return;
    const s = this.spec.series[k], [column] = this.spec.tiles[k];
    this.tip.replaceChildren(el("b", {}, s.label), `${number(s.values[this.at])} ${this.spec.unit || ""}`, el("br"), when(TICKS[this.at]));
    const view = this.grid.viewBox.baseVal, share = ((column + 0.5) * 40 - view.x) / view.width;
    const down = ((this.spec.tiles[k][1] + 1) * 40 - view.y) / view.height;
    this.tip.style.left = share > 0.5 ? "auto" : `${(share * 100 + 3).toFixed(1)}%`;
    this.tip.style.right = share > 0.5 ? `${((1 - share) * 100 + 3).toFixed(1)}%` : "auto";
    this.tip.style.top = down > 0.7 ? "auto" : `${(down * 100 + 1).toFixed(1)}%`;
    this.tip.style.bottom = down > 0.7 ? `${((1 - down) * 100 + 100 / (view.height / 40) + 1).toFixed(1)}%` : "auto";
  }

  // The chosen area over time, below the map.
  choose(k) {
    this.tiles.forEach(({ tile }, i) => tile.classList.toggle("chosen", i === k));
    this.chosen = k;
    const s = this.spec.series[k];
    this.grid.append(this.tiles[k].tile, this.tiles[k].name); // its outline above its neighbours
    const plot = new Plot({ title: `${this.spec.title}: ${s.label}`, unit: this.spec.unit, kind: "line", smooth: this.spec.smooth, series: [s] }, { height: 210 });
    this.area.replaceChildren(el("b", {}, s.label), el("span", { class: "note" }, " · choose another on the map"), plot.node);
    plot.draw();
  }

  key(event, k) {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); this.choose(k); this.tiles[k].tile.focus(); return; }
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const [c, r] = this.spec.tiles[k];
    // The nearest tile that lies mainly in that direction.
    let best = null, least = Infinity;
    this.spec.tiles.forEach(([c2, r2], i) => {
      const along = (c2 - c) * way[0] + (r2 - r) * way[1], aside = Math.abs((c2 - c) * way[1]) + Math.abs((r2 - r) * way[0]);
      if (along > 0 && along + 2 * aside < least) { least = along + 2 * aside; best = i; }
    });
    if (best !== null) this.tiles[best].tile.focus();
  }

  start() {
    if (this.at === TICKS.length - 1) this.show(0);
    this.play.textContent = "❚❚ Pause";
    const pace = Math.max(40, Math.min(400, 20000 / TICKS.length)); // about 20 seconds in all
    this.timer = setInterval(() => {
      if (this.at >= TICKS.length - 1) this.stop(); else this.show(this.at + 1);
    }, pace);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }
}
