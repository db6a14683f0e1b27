// Accuracy against what an item cost, with intervals both ways; the oracle above, the frontier through.

class Frontier {
  constructor() {
    this.svg = svg("svg", { class: "chart", role: "img", "aria-label": this.summary() });
    this.node = el("div", { class: "plot" }, this.svg);
    onResize(this.node, () => this.draw());
  }

  summary() {
    return DATA.points.map((p) => `${p.arm} at ${DATA.limits[p.level]}: ${percents(p.accuracy)} %`).join("; ");
  }

  // Points that nothing beats at the same cost or less.
  best() {
    const sorted = [...DATA.points].sort((a, b) => cost(a) - cost(b) || b.accuracy - a.accuracy);
    let top = -1;
    return sorted.filter((p) => p.accuracy > top && ((top = p.accuracy), true));
  }

  draw() {
    const wide = this.node.clientWidth || 600, tall = wide < 480 ? 300 : 380;
    const left = 40, right = wide - 10, top = 10, bottom = tall - 40;
    const costs = DATA.points.flatMap((p) => [cost(p), p[`${DATA.measure}_low`], p[`${DATA.measure}_high`]]).filter((v) => v > 0);
    const most = Math.max(...costs) * 1.15, least = Math.min(...costs) / 1.15;
    const x = (v) => left + (Math.log(Math.max(v, least) / least) / Math.log(most / least || 2)) * (right - left);
    const y = (v) => bottom - v * (bottom - top);
    const parts = [];
    for (const v of [0, 0.25, 0.5, 0.75, 1]) {
      parts.push(svg("path", { class: "grid", d: `M${left} ${y(v).toFixed(1)}H${right}` }),
        svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, `${100 * v}`));
    }
    let free = -Infinity;
    for (const v of logMarks(least, most)) {
      const text = axisNumber(v, v), half = text.length * 3.5;
      if (x(v) - half < free || x(v) + half > wide) continue;
      free = x(v) + half + 10;
      parts.push(svg("path", { class: "grid", d: `M${x(v).toFixed(1)} ${bottom}v5` }),
        svg("text", { x: x(v), y: bottom + 18, "text-anchor": "middle" }, text));
    }
    parts.push(svg("text", { x: right, y: bottom + 34, "text-anchor": "end" }, `${DATA.measure} an item, on average (logarithmic)`));
    DATA.oracle.forEach((o, i) => {
      const at = y(o.arms), end = i === 0 ? left + 0 : left;
      if (i === DATA.oracle.length - 1) {
        parts.push(svg("path", { class: "oracle", d: `M${end} ${at.toFixed(1)}H${right}` }),
          svg("text", { class: "halo", x: right - 4, y: at < 30 ? at + 14 : at - 5, "text-anchor": "end" }, `oracle: ${percents(o.arms)} % solved by some arm`));
      }
    });
    const line = this.best().map((p) => `${x(cost(p)).toFixed(1)} ${y(p.accuracy).toFixed(1)}`);
    if (line.length > 1) parts.push(svg("path", { class: "frontier", d: `M${line.join("L")}` }));
    DATA.arms.forEach((arm, k) => {
      const own = DATA.points.filter((p) => p.arm === arm && cost(p) !== null);
      const paint = colour(k);
      if (own.length > 1) parts.push(svg("path", { class: "path", stroke: paint, d: `M${own.map((p) => `${x(cost(p)).toFixed(1)} ${y(p.accuracy).toFixed(1)}`).join("L")}` }));
      for (const p of own) {
        const px = x(cost(p)), py = y(p.accuracy), at = [px.toFixed(1), py.toFixed(1)];
        if (p.low !== null) parts.push(svg("path", { class: "whisker", stroke: paint, d: `M${at[0]} ${y(p.low).toFixed(1)}V${y(p.high).toFixed(1)}` }));
        const [lo, hi] = [p[`${DATA.measure}_low`], p[`${DATA.measure}_high`]];
        if (lo !== null) parts.push(svg("path", { class: "whisker", stroke: paint, d: `M${x(lo).toFixed(1)} ${at[1]}H${x(hi).toFixed(1)}` }));
        const mark = shape(k, px, py);
        parts.push(svg("path", { class: "centre", d: mark, fill: paint },
          svg("title", {}, `${arm}, ${DATA.limits[p.level]}: ${percents(p.accuracy)} % right (${interval(p)}), ${number(cost(p))} ${DATA.measure}`)));
      }
    });
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${tall}`);
    this.svg.replaceChildren(...parts);
  }
}

const cost = (p) => p[DATA.measure];
const percents = (v) => (v === null || v === undefined ? "–" : (100 * v).toFixed(1).replace("-", "−"));
const interval = (r) => (r.low === null ? "–" : `${percents(r.low)} to ${percents(r.high)}`);

function logMarks(least, most) {
  const marks = [];
  for (let e = Math.floor(Math.log10(least)); e <= Math.ceil(Math.log10(most)); e++) {
    for (const m of [1, 2, 5]) if (m * 10 ** e >= least && m * 10 ** e <= most) marks.push(m * 10 ** e);
  }
  return marks;
}

// Eight shapes: colour is not all that tells the arms apart.
function shape(k, x, y, r = 6) {
  const at = (points) => `M${points.map(([a, b]) => `${(x + a * r).toFixed(1)} ${(y + b * r).toFixed(1)}`).join("L")}Z`;
  const circle = `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
  return [circle, at([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]]), at([[0, -1.2], [1.1, 0.8], [-1.1, 0.8]]),
    at([[0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]]), at([[0, 1.2], [1.1, -0.8], [-1.1, -0.8]]),
    at([[-1.1, -0.4], [0, -1.2], [1.1, -0.4], [0.7, 1], [-0.7, 1]]), at([[-1.2, 0], [0.8, -1.1], [0.8, 1.1]]), at([[1.2, 0], [-0.8, -1.1], [-0.8, 1.1]])][k % 8];
}

function armKey(arm) {
  const k = DATA.arms.indexOf(arm), mark = svg("svg", { class: "shape", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: shape(k, 8, 8, 5.5), fill: colour(k) }));
  return el("span", { class: "arm-key" }, mark, arm);
}
