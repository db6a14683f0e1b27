// The page of a comparison of teams: frontier, table, minds changed, conversations, how to read it.

const level = `${+(100 * DATA.level).toFixed(4)} %`;
const small = (p) => (p === null ? "–" : p < 0.001 ? p.toExponential(0).replace("-", "−") : p.toPrecision(2));
const signed = (v) => (v > 0 ? "+" : "") + percents(v);
const seq = (n) => [...Array(n).keys()];

function frontier() {
  heading("What accuracy costs");
  const legend = el("div", { class: "legend keys" }, DATA.arms.map((arm) => armKey(arm)));
  const unit = DATA.clusters === "family" ? "families" : "items";
  const note = `Each arm at each budget: accuracy, and what it spent where nothing is stored, both with ${level} intervals over ${unit}. Grey line: the best that was had at that cost or less. Dashed: what an oracle would reach that always picks the right arm, at the largest budget.`;
  MAIN.append(el("div", { class: "charts" }, frame({ title: "Accuracy and cost", unit: "items right, of 100", note, wide: true }, [], legend, new Frontier().node)));
}

function differences() {
  heading(`Against ${DATA.baseline}`);
  const head = ["Budget", "Arm", "Right", level, "Spent", "Unspent", "Difference", level, "Won : lost", "McNemar", "Holm"];
  const rows = [];
  for (const i of seq(DATA.limits.length)) {
    for (const p of DATA.points.filter((each) => each.level === i)) {
      const d = DATA.rows.find((r) => r.level === i && r.arm === p.arm && r.against === DATA.baseline);
      const clear = d && d.low !== null && (d.low > 0 || d.high < 0);
      const told = (text) => (clear ? el("b", {}, text) : text);
      const unspent = p[`${DATA.measure}_unspent`];
      rows.push([p.arm === DATA.arms[0] ? DATA.limits[i] : "", armKey(p.arm), percents(p.accuracy), interval(p), number(cost(p)), unspent === null ? "–" : `${(100 * unspent).toFixed(0)} %`,
        ...(d ? [told(signed(d.difference)), d.low === null ? "–" : told(`${signed(d.low)} to ${signed(d.high)}`), `${d.gained} : ${d.lost}`, small(d.mcnemar), small(d.mcnemar_holm)] : ["–", "–", "–", "–", "–"])]);
    }
  }
  MAIN.append(table(head, rows, seq(head.length).slice(2)));
  MAIN.append(el("p", { class: "note" }, "Accuracies and differences in items of 100. Bold: the interval does not hold 0."));
  const pairs = DATA.rows.filter((r) => r.against !== DATA.baseline);
  if (pairs.length) {
    const cells = pairs.map((r) => [DATA.limits[r.level], armKey(r.arm), armKey(r.against), signed(r.difference), r.low === null ? "–" : `${signed(r.low)} to ${signed(r.high)}`, `${r.gained} : ${r.lost}`, small(r.mcnemar), small(r.mcnemar_holm)]);
    MAIN.append(el("details", {}, el("summary", {}, `All other pairs (${pairs.length})`), table(["Budget", "Arm", "Against", "Difference", level, "Won : lost", "McNemar", "Holm"], cells, [3, 4, 5, 6, 7])));
  }
}

function minds() {
  const at = DATA.shown_level, runs = DATA.coordination[at] || [];
  if (!runs.length) return;
  heading("Who changed whose mind");
  MAIN.append(el("p", { class: "note" }, `At ${DATA.limits[at]} an item.`));
  const share = (v) => (v === null || v === undefined ? "–" : `${percents(v)} %`);
  MAIN.append(table(["Arm", "Turns", "Rounds", "Messages", "No answer", "Margin", "Minds changed", "wrong → right", "right → wrong", "First right, then lost"],
    runs.map((r) => [armKey(r.policy), number(r.turns), number(r.rounds), number(r.messages), number(r.unparsed), r.margin === null ? "–" : r.margin.toFixed(2), number(r.changed), number(r.wrong_to_right), number(r.right_to_wrong), share(r.first_lost)]), seq(10).slice(1)));
  MAIN.append(el("p", { class: "note" }, "Turns, rounds and messages are means an item; minds changed are counted over all items. Margin: by how much of the votes the first led."));
  const rounds = (DATA.rounds[at] || []).filter((r) => r.revised > 0);
  if (rounds.length) {
    MAIN.append(el("h3", {}, "By round"));
    MAIN.append(table(["Arm", "Round", "Right", "Answers revised", "Changed", "wrong → right", "right → wrong", "wrong → wrong"],
      rounds.map((r) => [armKey(r.policy), r.round + 1, share(r.accuracy), number(r.revised), number(r.changed), number(r.wrong_to_right), number(r.right_to_wrong), number(r.wrong_to_wrong)]), seq(8).slice(1)));
  }
  const edges = (DATA.edges[at] || []).filter((e) => e.messages > 0);
  if (edges.length) {
    MAIN.append(el("h3", {}, "By edge"));
    const most = edges.slice().sort((a, b) => (b.adopted || 0) - (a.adopted || 0)).slice(0, 24);
    MAIN.append(table(["Arm", "Who", "changed the mind of", "Messages", "Differed", "Adopted", "wrong → right", "right → wrong"],
      most.map((e) => [armKey(e.policy), e.source, e.target, number(e.messages), number(e.differed), number(e.adopted), number(e.to_right), number(e.to_wrong)]), [3, 4, 5, 6, 7]));
    if (edges.length > most.length) MAIN.append(el("p", { class: "note" }, `The 24 edges along which most minds were changed, of ${edges.length}.`));
  }
}

function pilot() {
  heading("What the pilot foretold");
  const points = (v) => (v === null || v === undefined ? "–" : `${percents(v)}`);
  if (DATA.singles.length) {
    MAIN.append(table(["Member alone", "Items", "Right", ...Object.keys(DATA.budgets[0]).map((m) => `${m} a sample`)],
      DATA.singles.map((s) => [s.name, number(s.n), number(s.right), ...Object.keys(DATA.budgets[0]).map((m) => number(s.cost[m]))]), [1, 2, 3, 4]));
  }
  MAIN.append(table(["Budget", "Arm", "Samples", "Right", `${DATA.measure} an item`, "Differs from baseline on", "Least difference that can be found"],
    DATA.foretold.map((r) => [r.arm === DATA.arms[0] ? DATA.limits[r.level] : "", armKey(r.arm), DATA.samples[r.level][r.arm] ?? (DATA.adapts.includes(r.arm) ? "until spent" : "–"), points(r.accuracy), number(r.cost[DATA.measure]), r.arm === DATA.baseline ? "–" : `${r.discordant} of ${r.both}`, r.arm === DATA.baseline ? "–" : r.detectable === null ? "none" : points(r.detectable)]), [2, 3, 4, 5, 6]));
  MAIN.append(el("p", { class: "note" }, "Stated before any judged item was asked: with 80 % power, by McNemar’s test at the level that Bonferroni leaves each comparison, from how often the arms disagreed on the pilot (Laplace’s rule)."));
}

function reading() {
  heading("How to read this");
  const scope = DATA.family === "all" ? "all rows of the table" : "the arms at each budget";
  const items = [
    ["Budget", "What one item may cost, everything included: judges, routers, retries, moderators. It is reserved before a call is sent, so that it cannot be passed; a round that does not fit is not begun, and the last whole round counts."],
    ["Baseline", "Unless an arm was named: the best member by itself on the pilot, sampled as often as the budget pays for, the plurality of its answers. It stops early where no further sample could change the vote."],
    ["Left out", "An item that one arm could not run is left out of all arms at that budget. Unparsed answers and abstentions were run, and are not right."],
    ["Won : lost", "Items that only the arm, and only the baseline, has right. McNemar’s exact test compares the two."],
    ["Holm", `McNemar’s p, adjusted over ${scope}.`],
    [level, DATA.clusters === "family" ? "Families of items are resampled as a whole (Student’s interval with fewer than 8 families)." : "Items are resampled."],
  ];
  MAIN.append(el("dl", { class: "reading" }, items.map(([term, words]) => [el("dt", {}, term), el("dd", {}, words)])));
}

function page() {
  if (DATA.dropped.length) {
    banner(el("b", {}, "Items were left out of all arms"), ": some arm could not run them.",
      el("ul", {}, DATA.dropped.map((d) => el("li", {}, `${DATA.limits[d.level]}: ${d.arm}, ${number(d.items)} items, ${d.status.replaceAll("_", " ")}`))),
      DATA.errors.length ? el("div", {}, DATA.errors[0]) : null);
  }
  document.getElementById("facts").append(...DATA.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  frontier();
  differences();
  minds();
  conversations();
  pilot();
  reading();
  heading("How it was made");
  MAIN.append(el("p", { class: "note" }, `Versions: ${Object.entries(DATA.manifest.versions || {}).map(([k, v]) => `${k} ${v}`).join(", ")}.`));
  MAIN.append(el("details", {}, el("summary", {}, "Manifest"), el("pre", { tabindex: 0 }, JSON.stringify(DATA.manifest, null, 2))));
  document.getElementById("footer").append("Written by populace. This file is complete in itself: it loads nothing.");
  for (const draw of ASSEMBLED) draw();
  document.body.dataset.drawn = "yes";
}

page();
