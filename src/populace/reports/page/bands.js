// Lines with a band around each, and differences with their intervals and each seed's own.

class BandPlot extends Plot {
  constructor(spec, options = {}) {
    super({ kind: "line", smooth: 1, ...spec }, options);
    for (const s of this.series) s.colour = colour(s.index);
  }

  extent() {
    let [low, high] = super.extent();
    for (const s of this.shown) for (const v of [...s.low, ...s.high]) {
      if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); }
    }
    return this.spec.zero ? [Math.min(low, 0), Math.max(high, 0)] : [low, high];
  }

  drawLines() {
    for (const s of this.shown) {
      let d = "", from = null;
      const close = (to) => {
        if (from === null) return;
        const across = TICKS.slice(from, to).map((t, k) => `${this.x(t).toFixed(1)} ${this.y(s.high[from + k]).toFixed(1)}`);
        const back = TICKS.slice(from, to).map((t, k) => `${this.x(t).toFixed(1)} ${this.y(s.low[from + k]).toFixed(1)}`).reverse();
        d += `M${[...across, ...back].join("L")}Z`;
        from = null;
      };
      TICKS.forEach((_, i) => {
        if (s.low[i] === null || s.high[i] === null) close(i); else if (from === null) from = i;
      });
      close(TICKS.length);
      this.marks.append(svg("path", { class: "band", fill: s.colour, d }));
    }
    super.drawLines();
  }

  move(i) {
    super.move(i);
    if (i === null || !this.cross) return;
    // the tip's rows stand in the order of the series shown: each gets its band
    [...this.tip.querySelectorAll("tr")].forEach((row, k) => {
      const s = this.shown[k];
      if (s && s.low[i] !== null) row.append(el("td", { class: "num dim" }, `${number(s.low[i])} to ${number(s.high[i])}`));
    });
  }
}

function bandsCsv(spec) {
  const head = ["tick", "time", ...spec.series.flatMap((s) => [s.label, `${s.label} low`, `${s.label} high`])];
  const quote = (v) => (/[",\n]/.test(v) ? `"${String(v).replaceAll('"', '""')}"` : v);
  const rows = TICKS.map((t, i) => [t, when(t), ...spec.series.flatMap((s) => [s.values[i] ?? "", s.low[i] ?? "", s.high[i] ?? ""])]);
  return [head, ...rows].map((row) => row.map(quote).join(",")).join("\n") + "\n";
}

function bandChart(spec) {
  const plot = new BandPlot(spec);
  const csv = tool("CSV", "Save the values", () => save(fileName(spec.title, "csv"), "text/csv", bandsCsv(spec)));
  const picture = tool("SVG", "Save the chart as a picture", () => save(fileName(spec.title, "svg"), "image/svg+xml", svgOf(plot)));
  return frame(spec, [picture, csv], plot.legend(), plot.node);
}

// A row an arm: a dot for every seed's difference, and the mean with its interval over them.
class Differences {
  constructor(measure) {
    this.measure = measure;
    this.svg = svg("svg", { class: "chart", role: "img", "aria-label": this.summary() });
    this.node = el("div", { class: "plot" }, this.svg);
    onResize(this.node, () => this.draw());
  }

  summary() {
    return this.measure.arms.map((a) => `${a.arm}: ${number(a.difference)}, from ${number(a.low)} to ${number(a.high)}`).join("; ");
  }

  draw() {
    const { arms } = this.measure, wide = this.node.clientWidth || 600, row = 54;
    const values = arms.flatMap((a) => [a.low, a.high, a.difference, ...a.pairs.map((p) => p[1])]).filter((v) => v !== null);
    const axis = valueAxis(Math.min(0, ...values), Math.max(0, ...values), wide < 480 ? 4 : 7);
    const left = 10, right = wide - 14, top = 4, bottom = top + arms.length * row;
    const x = (v) => left + ((v - axis.low) / (axis.high - axis.low)) * (right - left);
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${bottom + 24}`);
    const parts = [];
    let free = -Infinity;
    for (const mark of axis.marks) {
      const at = Math.round(x(mark.value)) + 0.5, half = mark.text.length * 3.4;
      parts.push(svg("path", { class: Math.abs(mark.value) < 1e-12 ? "zero" : "grid", d: `M${at} ${top}V${bottom}` }));
      const centre = Math.min(Math.max(at, half), wide - half);
      if (centre - half < free + 8) continue;
      free = centre + half;
      parts.push(svg("text", { x: centre, y: bottom + 18, "text-anchor": "middle" }, mark.text));
    }
    arms.forEach((a, i) => {
      const paint = colour(DATA.arms.indexOf(a.arm)), middle = top + i * row + 29;
      parts.push(svg("text", { class: "arm", x: left, y: middle - 14 }, a.arm));
      a.pairs.forEach(([seed, value], k) => {
        const lift = ((k * 0.618034) % 1) * 8 + 8; // below the bar, spread evenly, so that equal dots show
        parts.push(svg("circle", { class: "seed", cx: x(value).toFixed(1), cy: (middle + lift).toFixed(1), r: 3, fill: paint },
          svg("title", {}, `seed ${seed}: ${number(value)}`)));
      });
      if (a.low !== null) parts.push(svg("path", { class: "interval", stroke: paint, d: `M${x(a.low).toFixed(1)} ${middle}H${x(a.high).toFixed(1)}` }));
      if (a.difference !== null) parts.push(svg("circle", { class: "centre", cx: x(a.difference).toFixed(1), cy: middle, r: 5.5, fill: paint }));
    });
    this.svg.replaceChildren(...parts);
  }
}
