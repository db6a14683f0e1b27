const FEWEST = 8; // rows to show of everybody: where little happens in a tick, those after it too

// The conversation of a run beside its curves: of a tick, everybody; or one agent, all along.

class Transcript {
  // data: as `populace.reports.transcript.transcript` returns it; charts: those that can stand beside it
  constructor(data, charts) {
    this.data = data;
    this.charts = charts;
    this.ticks = [...new Set(data.rows.map((row) => row[0]))];
    this.at = 0;
    this.agent = null;
    const several = new Set(data.agents.map(([population]) => population)).size > 1;
    this.names = data.agents.map(([population, id, name]) => name || `${several ? population : "agent"} ${id}`);
    const twice = this.names.filter((name, i) => this.names.indexOf(name) !== i);
    this.names = this.names.map((name, i) => (twice.includes(name) && data.agents[i][2] ? `${name} (${data.agents[i][1]})` : name));
    const listed = DATA.casts.flatMap(({ policies }) => policies.map((p) => p.name));
    this.colours = Object.fromEntries(listed.map((name, i) => [name, colour(i)]));
    this.slider = el("input", { type: "range", min: 0, max: this.ticks.length - 1, step: 1, "aria-label": "Time",
      oninput: () => this.go(Number(this.slider.value)) });
    this.output = el("output", {});
    const step = (by, text, title) => el("button", { type: "button", class: "step", title, onclick: () => this.go(this.at + by) }, text);
    this.who = el("select", { "aria-label": "Whose", onchange: () => { this.agent = this.who.value === "" ? null : Number(this.who.value); this.show(); } },
      el("option", { value: "" }, "everybody"), this.names.map((name, i) => el("option", { value: i }, name)));
    this.told = el("input", { type: "checkbox", onchange: () => this.show() });
    this.list = el("div", { class: "talk-list", tabindex: 0, role: "log", "aria-label": "What was said and done" });
    this.beside = el("div", { class: "beside" });
    this.node = el("div", { class: charts.length ? "transcript" : "" }, this.beside,
      el("div", {},
        el("div", { class: "controls" }, step(-1, "‹", "Earlier"), this.slider, step(1, "›", "Later"), this.output),
        el("div", { class: "controls choose" }, el("label", {}, "Who ", this.who), el("label", {}, this.told, " and what they were told")),
        this.list));
    if (charts.length) this.draw(0);
    this.show();
  }

  // The chart beside the talk: a click in it goes to that tick.
  draw(i) {
    const choose = el("select", { "aria-label": "Chart", onchange: () => this.draw(Number(choose.value)) },
      this.charts.map((spec, k) => el("option", { value: k, selected: k === i }, spec.title)));
    this.plot = new Plot({ ...this.charts[i] });
    this.plot.svg.addEventListener("click", () => { if (this.plot.at !== null) this.go(this.nearest(TICKS[this.plot.at])); });
    const unit = this.charts[i].unit ? el("p", { class: "unit" }, this.charts[i].unit) : null;
    this.beside.replaceChildren(...[choose, unit, this.plot.legend(), this.plot.node].filter(Boolean));
    this.plot.pin(this.ticks[this.at]);
  }

  nearest(tick) {
    return this.ticks.reduce((best, t, i) => (Math.abs(t - tick) < Math.abs(this.ticks[best] - tick) ? i : best), 0);
  }

  go(i) {
    this.at = Math.min(this.ticks.length - 1, Math.max(0, i));
    this.show();
  }

  show() {
    const now = this.ticks[this.at];
    this.slider.value = this.at;
    this.output.textContent = when(now);
    if (this.plot) this.plot.pin(now);
    const parts = [];
    let last = null, here = null, count = 0;
    for (const row of this.data.rows) {
      if ((row[2] && !this.told.checked) || (this.agent === null ? row[0] < now : row[1] !== this.agent)) continue;
      if (this.agent === null && row[0] !== last && count >= FEWEST) break;
      count += 1;
      if (row[0] !== last) {
        last = row[0];
        parts.push(el("div", { class: "round" }, when(last)));
        if (last === now) here = parts[parts.length - 1];
      }
      parts.push(this.row(row));
    }
    this.list.replaceChildren(...(parts.length ? parts : [el("p", { class: "note" }, "Nobody was asked.")]));
    this.list.scrollTop = here ? here.offsetTop - this.list.offsetTop : 0;
  }

  row([tick, agent, told, kind, policy, outcome, value, text, shown, notes]) {
    const { kinds, policies, texts } = this.data, mind = policy === null ? null : policies[policy];
    const key = el("span", { class: "key" });
    if (mind) key.style.background = this.colours[mind] || "var(--faint)";
    const words = text === null ? null : texts[text], [population, id] = this.data.agents[agent];
    const decided = told || outcome === "acted" || outcome === "fallback";
    const form = ((DATA.manifest.kinds || {})[population] || {})[kinds[kind]];
    const spoken = words !== null && (form === "text" || words.length > 60 || words.includes("\n"));
    const answer = told || spoken ? null : words !== null ? el("b", {}, words) : value === null ? null : el("b", {}, number(value));
    const team = this.data.teams[`${tick}/${population}/${id}`];
    return utterance({
      kind: told ? "told" : "",
      who: [told ? null : key, this.names[agent], mind ? el("small", { class: "dim" }, ` ${mind}`) : null],
      said: told ? el("span", { class: "dim" }, `was told: ${kinds[kind].replaceAll("_", " ")}`) : [el("span", { class: "dim" }, kinds[kind].replaceAll("_", " ")), " ", answer],
      facts: [told || outcome === "acted" ? null : `${answer && !decided ? "by default: " : ""}${outcome.replace("_", " ")}`],
      text: spoken ? words : null,
      folds: [...this.folds(told, kinds[kind], shown, notes), ...(team && mind && !told ? [fold("how the team came to it", () => el("div", { class: "talk" }, talk(team)))] : [])],
    });
  }

  // What it saw, what came to mind, what it was asked, what it will remember: those that there are.
  folds(told, kind, shown, notes) {
    const { columns, whats, texts } = this.data, found = [];
    const named = notes.map(([what, text]) => [whats[what], texts[text]]);
    const of = (...kinds) => named.filter(([what]) => kinds.includes(what));
    const list = (rows) => () => el("ul", { class: "notes" }, rows.map(([what, text]) => el("li", {}, what === "memory" || what === "remembered" ? null : el("span", { class: "dim" }, `${what}: `), text)));
    if (shown.length) found.push(fold(told ? "what" : "saw", () => this.columns(shown.map(([column, n, text]) => [columns[column], n, text === null ? null : texts[text]]))));
    const mind = of("plan", "memory"), kept = of("insight", "remembered");
    if (mind.length) found.push(fold(`came to mind (${mind.length})`, list(mind)));
    const calls = [];
    for (const note of named.filter((each) => !mind.includes(each) && !kept.includes(each))) {
      if (note[0] === "call" || !calls.length) calls.push({ of: note[0] === "call" ? note[1] : kind, notes: [] });
      if (note[0] !== "call") calls[calls.length - 1].notes.push(note);
    }
    const blocks = (some, titled) => () => some.flatMap((call) => [titled ? el("h4", {}, call.of) : null,
      ...call.notes.map(([what, text]) => el("div", { class: `message ${what}` }, el("div", { class: "dim" }, what), el("pre", { tabindex: 0 }, text.trim())))]).filter(Boolean);
    const before = calls.filter((call) => call.of !== kind), own = calls.filter((call) => call.of === kind && call.notes.length);
    if (before.length) found.push(fold(`thought before (${before.length})`, blocks(before, true)));
    const asked = own.some((call) => call.notes.some(([what]) => ["system", "user", "asked", "text"].includes(what)));
    if (own.length) found.push(fold(asked ? "was asked" : "on the way", blocks(own, false)));
    if (kept.length) found.push(fold(`will remember (${kept.length})`, list(kept)));
    return el("div", { class: "folds" }, found).childNodes.length ? [el("div", { class: "folds" }, found)] : [];
  }

  columns(rows) {
    return el("dl", { class: "seen" }, rows.map(([name, value, text]) => el("div", { class: text !== null && (text.length > 60 || text.includes("\n")) ? "block" : null },
      el("dt", {}, name.replaceAll("_", " ")), el("dd", {}, text !== null ? text || "–" : value === null ? "not known" : number(value)))));
  }
}

function transcript() {
  const data = DATA.transcript;
  if (!data) return;
  heading("What was said and done");
  const words = [];
  if (data.agents.length < data.among) words.push(`${number(data.agents.length)} of ${number(data.among)} agents are on this page.`);
  if (data.last !== null) words.push(`It goes to ${when(data.last)}.`);
  if (data.until !== null) words.push(`The run kept it to ${when(data.until)}.`);
  if (data.left_out) words.push(`${number(data.left_out)} long texts are left out.`);
  if (words.length) MAIN.append(el("p", { class: "note" }, [...words, "The table “exchanges” of the run holds all that was kept."].join(" ")));
  const charts = [...DATA.charts, ...DATA.others].filter((spec) => spec.series.length && spec.series.length <= 8 && ["line", "bar"].includes(spec.kind));
  MAIN.append(new Transcript(data, charts).node);
}
