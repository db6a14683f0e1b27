// The page of a comparison: the table, a section a measure, how to read it, the manifest.

const OPEN = 6; // measures shown at once; the others are folded
const percent = `${+(100 * DATA.level).toFixed(4)} %`;
const small = (p) => (p === null ? "–" : p < 0.001 ? p.toExponential(0).replace("-", "−") : p.toPrecision(2));
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const BASE = `“${DATA.baseline}”`;
const key = (arm) => {
  const mark = el("span", { class: "key" });
  mark.style.background = colour(DATA.arms.indexOf(arm));
  return el("span", {}, mark, arm);
};

function differences() {
  heading(`What differs from ${BASE}`);
  const wanted = DATA.rows.some((row) => row.seeds_needed !== null);
  const head = ["Measure", "Arm", DATA.baseline, "Arm’s mean", "Difference", percent, "p", "p, Holm", "d", "Variance left", ...(wanted ? ["Seeds for ±"] : [])];
  let before = null;
  const rows = DATA.rows.map((row) => {
    const { label } = DATA.measures.find((each) => each.name === row.measure);
    const first = row.measure === before ? "" : label;
    before = row.measure;
    const clear = row.low !== null && (row.low > 0 || row.high < 0);
    const told = (text) => (clear ? el("b", {}, text) : text);
    return [first, key(row.arm), number(row.baseline_mean), number(row.mean), told(number(row.difference)),
      row.low === null ? "–" : el("span", {}, told(`${number(row.low)} to ${number(row.high)}`),
        row.t_holds && row.method !== "t" ? [el("br"), el("small", {}, `t: ${number(row.t_low)} to ${number(row.t_high)}`)] : null), small(row.p), small(row.p_holm),
      row.effect === null ? "–" : row.effect.toFixed(2).replace("-", "−"), row.variance_ratio === null ? "–" : row.variance_ratio.toFixed(2),
      ...(wanted ? [row.seeds_needed === null ? "–" : el("span", {}, number(row.seeds_needed), el("br"), el("small", {}, `± ${number(row.wanted)}`))] : [])];
  });
  MAIN.append(table(head, rows, head.map((_, i) => i).filter((i) => i > 1)));
  MAIN.append(el("p", { class: "note" }, "Bold: the interval does not hold 0."));
}

function section(measure) {
  const { label, unit, name } = measure;
  const spec = { title: capital(label), unit, wide: true,
    note: `Dots: each seed’s difference from ${BASE}. Bar: the mean difference with its ${percent} interval.` };
  const parts = [frame(spec, [], new Differences(measure).node)];
  const series = DATA.series.find((each) => each.name === name.replace(/:[a-z]+$/, ""));
  const drawn = TICKS.length > 1 && series && series.arms.length && !section.done.has(series.name);
  if (drawn) {
    section.done.add(series.name);
    parts.push(bandChart({ title: `${capital(series.label)} over time`, unit: series.unit, series: series.arms,
      note: "Line: mean of the runs. Band: the middle 80 % of them." }));
    parts.push(bandChart({ title: `Difference from ${BASE} over time`, unit: series.unit, series: series.differences, zero: true,
      note: `Line: mean paired difference. Band: its ${percent} interval, at each tick by itself.` }));
  }
  return el("div", { class: "charts" }, parts);
}
section.done = new Set();

function reading() {
  heading("How to read this");
  const family = DATA.family === "all" ? `all ${number(DATA.tests)} tests of the table` : "the arms of each measure by itself";
  const left = DATA.saved === null ? "" : ` Here it left ${(100 * DATA.saved).toFixed(0)} % of it (median): independent seeds would have to be ${(1 / DATA.saved).toFixed(1)} times as many.`;
  const bca = DATA.rows.some((row) => row.method === "bca");
  const items = [
    ["Difference", `The arm less ${BASE}, seed by seed, then the mean. Runs of one seed share every random draw that what sets the arms apart does not touch.`],
    [percent, bca ? "Bootstrap interval of the mean paired difference (bias-corrected and accelerated, widened to Student’s quantiles for few seeds)." : "Student’s interval of the mean paired difference: there are fewer than 8 seeds to resample."],
    ["t", "Student’s interval, where it holds: the differences are 8 or more and hardly skewed (leading Edgeworth term of the tails below the tails)."],
    ["p", `Sign-flip permutation test of no difference; “Holm” is adjusted for ${family}. A dash: the runs are equal, or there is one pair only.`],
    ["d", "Cohen’s d_z: the mean difference in standard deviations of the paired differences."],
    ["Variance left", `Variance of the paired difference, as a share of what independent seeds would have.${left}`],
    ["Seeds for ±", "How many seeds would give an interval with that half-width, at the standard deviation found here."],
  ];
  MAIN.append(el("dl", { class: "reading" }, items.map(([term, words]) => [el("dt", {}, term), el("dd", {}, words)])));
}

function comparison() {
  const { dropped } = DATA;
  if (dropped.seeds.length) {
    banner(el("b", {}, `${number(dropped.seeds.length)} of ${number(dropped.of)} seeds are left out of all arms`), ": they did not run to their end in every one.",
      el("ul", {}, dropped.failed.map((row) => el("li", {}, `${row.arm}, seed ${row.seed}: ${row.error}`))));
  }
  document.getElementById("facts").append(...DATA.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  differences();
  MAIN.append(...DATA.measures.slice(0, OPEN).map(section));
  if (DATA.measures.length > OPEN) {
    MAIN.append(el("details", {}, el("summary", {}, `${DATA.measures.length - OPEN} further measures`), DATA.measures.slice(OPEN).map(section)));
  }
  if (DATA.stride > 1) MAIN.append(el("p", { class: "note" }, `Every ${DATA.stride}th tick is drawn; series.parquet holds all.`));
  reading();
  heading("How it was made");
  MAIN.append(el("p", { class: "note" }, `Versions: ${Object.entries(DATA.manifest.versions || {}).map(([k, v]) => `${k} ${v}`).join(", ")}.`));
  MAIN.append(el("details", {}, el("summary", {}, "Manifest"), el("pre", { tabindex: 0 }, JSON.stringify(DATA.manifest, null, 2))));
  document.getElementById("footer").append("Written by populace. This file is complete in itself: it loads nothing.");
  for (const draw of ASSEMBLED) draw();
  document.body.dataset.drawn = "yes";
}

comparison();
