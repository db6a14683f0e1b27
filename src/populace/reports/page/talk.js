// Who said or did what: one row of a conversation, its details folded.

// A fold whose content is made when it is first opened.
function fold(title, content) {
  const node = el("details", {}, el("summary", {}, title));
  node.addEventListener("toggle", () => { if (node.open && node.children.length === 1) node.append(...[content()].flat()); });
  return node;
}

// said: nodes; facts: words in a line after it; text: what was said in full; folds: made by `fold`.
function utterance({ kind, who, said, facts, text, folds }) {
  return el("div", { class: kind ? `turn ${kind}` : "turn" },
    el("div", { class: "who" }, who),
    el("div", { class: "said" }, said, " ", el("span", { class: "dim" }, facts.filter(Boolean).join(" · ")),
      text ? el("p", { class: "text" }, text) : null, folds || []));
}

const right = (mark) => (mark === null ? "" : mark ? "right" : "wrong");
const tick = (mark) => el("span", { class: `mark ${right(mark)}`, title: right(mark) }, mark === null ? "" : mark ? "✓" : "✗");

// A member of a team, or the team's verdict.
function turn(row) {
  const verdict = row.member === null;
  return utterance({
    kind: verdict ? "verdict" : "",
    who: verdict ? "verdict" : row.member,
    said: [tick(row.correct), " ", row.answer === null ? el("span", { class: "dim" }, "no answer") : el("b", {}, row.answer)],
    facts: [row.prompt !== "answer" && !verdict ? row.prompt : null, row.sees.length ? `after ${row.sees.join(", ")}` : null,
      row.confidence === null ? null : `sure ${(100 * row.confidence).toFixed(0)} %`, row.tokens ? `${number(row.tokens)} tokens` : null,
      verdict ? row.reason : null, row.outcome === "acted" ? null : row.outcome],
    text: row.text && row.text !== row.answer ? row.text : null,
    folds: row.asked ? [fold("what it was asked", () => el("pre", { tabindex: 0 }, row.asked))] : [],
  });
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
