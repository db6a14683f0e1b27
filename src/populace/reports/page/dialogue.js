// Conversations item by item: what each arm decided, and, opened, who said what to whom.

const right = (mark) => (mark === null ? "" : mark ? "right" : "wrong");
const tick = (mark) => el("span", { class: `mark ${right(mark)}`, title: right(mark) }, mark === null ? "" : mark ? "✓" : "✗");

function turn(row) {
  const verdict = row.member === null;
  const facts = [row.prompt !== "answer" && !verdict ? row.prompt : null, row.sees.length ? `after ${row.sees.join(", ")}` : null,
    row.confidence === null ? null : `sure ${(100 * row.confidence).toFixed(0)} %`, row.tokens ? `${number(row.tokens)} tokens` : null,
    verdict ? row.reason : null, row.outcome === "acted" ? null : row.outcome].filter(Boolean);
  const answer = row.answer === null ? el("span", { class: "dim" }, "no answer") : el("b", {}, row.answer);
  return el("div", { class: verdict ? "turn verdict" : "turn" },
    el("div", { class: "who" }, verdict ? "verdict" : row.member),
    el("div", { class: "said" }, tick(row.correct), " ", answer, " ", el("span", { class: "dim" }, facts.join(" · ")),
      row.text && row.text !== row.answer ? el("p", { class: "text" }, row.text) : null,
      row.asked ? el("details", {}, el("summary", {}, "what it was asked"), el("pre", { tabindex: 0 }, row.asked)) : null));
}

function talk(turns) {
  const parts = [];
  let round = null;
  for (const row of turns) {
    if (row.round !== round && row.member !== null) { round = row.round; parts.push(el("div", { class: "round" }, `Round ${round + 1}`)); }
    parts.push(turn(row));
  }
  return parts;
}

function conversation(item) {
  const list = item.verdicts.map((v) => {
    const own = item.turns.filter((t) => t.arm === v.arm);
    const head = el("summary", {}, armKey(v.arm), " ", v.status === "ran" ? tick(v.correct) : null, " ",
      v.status === "ran" ? (v.answer === null ? el("span", { class: "dim" }, v.outcome) : v.answer) : el("span", { class: "dim" }, `not run: ${v.status}`),
      el("span", { class: "dim" }, ` ${number(v.tokens)} tokens`));
    const fold = el("details", { class: "arm" }, head);
    fold.addEventListener("toggle", () => { if (fold.open && fold.children.length === 1) fold.append(el("div", { class: "talk" }, talk(own))); });
    return fold;
  });
  return el("div", { class: "item" }, list);
}

// Every item is a fold: the marks of all arms in its head, its conversations within.
function conversations() {
  heading("Conversations");
  const more = DATA.manifest.items_judged - DATA.items.length;
  MAIN.append(el("p", { class: "note" }, `At ${DATA.limits[DATA.shown_level]} an item; items on which the arms differ most come first.`,
    more > 0 ? ` ${number(more)} more are in transcript.parquet.` : ""));
  for (const item of DATA.items) {
    const marks = item.verdicts.map((v) => el("span", { title: v.arm }, tick(v.status === "ran" ? v.correct : null)));
    const fold = el("details", { class: "exam-item" }, el("summary", {}, el("span", { class: "name" }, item.item), el("span", { class: "marks" }, marks)));
    fold.addEventListener("toggle", () => { if (fold.open && fold.children.length === 1) fold.append(conversation(item)); });
    MAIN.append(fold);
  }
}
