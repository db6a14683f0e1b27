// Conversations item by item: what each arm decided, and, opened, who said what to whom.

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
