// The page of a run: banner, facts, charts, who decided, how it went, the manifest.

// Two a row; one that would stand alone in its row is drawn over the whole width.
function grid(specs) {
  const wide = (spec) => spec.wide || spec.kind === "map" || spec.kind === "multiples";
  let pending = null;
  for (const spec of specs) {
    if (wide(spec)) { if (pending) pending.wide = true; pending = null; } else pending = pending ? null : spec;
  }
  if (pending) pending.wide = true;
  return el("div", { class: "charts" }, specs.map(chart));
}

let drawn = 0;
function chart(spec) {
  spec.id = drawn++;
  const csv = tool("CSV", "Save the values", () => save(fileName(spec.title, "csv"), "text/csv", csvOf(spec)));
  if (!spec.series.length) return frame(spec, [], el("p", { class: "note" }, "Nothing to draw."));
  if (spec.smooth > 1) {
    const unit = CALENDAR ? CALENDAR.unit : "tick";
    spec.note = `${spec.note ? `${spec.note} ` : ""}Thick: mean of ${spec.smooth} ${unit}s.`;
  }
  if (spec.kind === "map") spec.wide = true;
  if (spec.kind === "map") return frame(spec, [csv], new TileMap(spec).node);
  if (spec.kind === "multiples") {
    const all = spec.series.flatMap((s) => s.values).filter((v) => v !== null);
    const range = { low: all.reduce((a, b) => Math.min(a, b), Infinity), high: all.reduce((a, b) => Math.max(a, b), -Infinity) };
    spec.wide = true;
    return frame(spec, [csv], el("div", { class: "multiples" }, spec.series.map((s) => {
      const plot = new Plot({ ...spec, kind: "line", title: s.label, series: [s] }, { small: true, height: 84, ...range });
      return el("div", {}, el("div", { class: "name", title: s.label }, s.label), plot.node);
    })));
  }
  const plot = new Plot(spec);
  const picture = tool("SVG", "Save the chart as a picture", () => save(fileName(spec.title, "svg"), "image/svg+xml", svgOf(plot)));
  return frame(spec, [picture, csv], plot.legend(), plot.node);
}

function banners() {
  const { status, error } = DATA;
  if (status === "failed") banner(el("b", {}, "This run failed. "), error ? `${error.type}: ${error.message}` : "", " What it had until then is shown.");
  if (status === "stopped") banner(el("b", {}, "This run was stopped: "), `${DATA.stopped || "no reason is given"}. `, "What it had until then is shown.");
  if (status === "interrupted") banner(el("b", {}, "This run was interrupted. "), "What it had until then is shown.");
  if (status === "running") banner(el("b", {}, "This run is not finished. "), "It was still running, or its process had died, when this page was written.");
}

function interventions() {
  const { rows, total } = DATA.events;
  if (!rows.length) return;
  heading("Interventions");
  MAIN.append(table(["When", "Name", "What"], rows.map(([tick, name, what]) => [when(tick), name, what]), [], [2]));
  if (rows.length < total) MAIN.append(el("p", { class: "note" }, `The first ${number(rows.length)} of ${number(total)}; the table "events" of the run holds all.`));
}

function cast() {
  if (!DATA.casts.length) return;
  heading("Who decides");
  for (const { population, policies } of DATA.casts) {
    const total = policies.reduce((sum, p) => sum + p.agents, 0);
    if (DATA.casts.length > 1) MAIN.append(el("h3", {}, population));
    const bar = el("div", { class: "share", role: "img", "aria-label": policies.map((p) => `${p.name}: ${number(p.agents)}`).join(", ") });
    policies.forEach((p, i) => {
      if (!p.agents) return;
      const part = el("div", { title: `${p.name}: ${number(p.agents)}` });
      part.style.flex = `${p.agents} 1 0`;
      part.style.background = colour(i);
      bar.append(part);
    });
    if (total) MAIN.append(bar);
    MAIN.append(table(["Policy", "Agents", "Share", "Class", "Parameters"], policies.map((p, i) => {
      const key = el("span", { class: "key" });
      key.style.background = colour(i);
      return [el("span", {}, key, p.name), number(p.agents), total ? `${((100 * p.agents) / total).toFixed(1)} %` : "–",
        el("span", { title: p.class }, p.class.split(".").pop()), p.parameters];
    }), [1, 2], [4]));
  }
}

function outcomes() {
  const { outcomes: names, rows } = DATA.outcomes;
  if (!rows.length) return;
  heading("Decisions");
  const several = new Set(rows.map((row) => row[0])).size > 1, first = several ? 3 : 2;
  const head = [...(several ? ["Population"] : []), "Decision", "Policy", "Asked", ...names.map((n) => n.replace("_", " ")), "Seconds", "µs each"];
  MAIN.append(table(head, rows.map(([population, kind, policy, agents, ...rest]) => {
    const seconds = rest.pop();
    return [...(several ? [population] : []), kind, policy, number(agents), ...rest.map(number), number(seconds), agents ? number((1e6 * seconds) / agents) : "–"];
  }), head.map((_, i) => i).filter((i) => i >= first)));
}

// Language minds: through how many prompts and calls they decided, what that cost, what failed.
function minds() {
  const { minds: rows, spend, failures } = DATA;
  if (!rows.length && !spend && !failures.total) return;
  heading("Language minds and what they spent");
  const count = (value) => (value === null ? "–" : number(value));
  if (rows.length) {
    const foretold = rows.some((row) => row.predicted !== null);
    const [agents, prompts] = ["agents", "distinct"].map((name) => rows.reduce((sum, row) => sum + row[name], 0));
    MAIN.append(el("p", { class: "note" }, `${number(agents)} decisions through ${number(prompts)} distinct prompts, counted anew at every ask. Agents that read the same prompt share its calls and never its answer: each draws its own.`));
    const head = ["Decision", "Policy", "Decisions", "Prompts", "Calls", "of them paid", ...(foretold ? ["Foretold by a surrogate", "Its error", "95 %"] : [])];
    MAIN.append(table(head, rows.map((row) => [row.kind, row.policy, ...["agents", "distinct", "calls", "paid"].map((name) => count(row[name])),
      ...(foretold ? [row.share === null ? "–" : `${(100 * row.share).toFixed(1)} %`, count(row.error), row.low === null ? "–" : `${number(row.low)} – ${number(row.high)}`] : [])]),
      head.map((_, i) => i).filter((i) => i > 1)));
    if (foretold) MAIN.append(el("p", { class: "note" }, "Error: mean total variation distance to the model's probabilities in the latest audits; – where nothing was audited."));
  }
  if (spend) {
    MAIN.append(el("h3", {}, "Spend"));
    const cells = (label, policy, model, side) => [label, policy, model, ...["calls", "tokens_in", "tokens_out"].map((name) => count(side[name])),
      side.usd === null ? "no price" : number(side.usd), count(side.seconds)];
    const lines = spend.rows.flatMap((row) => ["logical", "billed"].map((name) => cells(`${row.kind}, ${name}`, row.policy, row.model, row[name])));
    if (spend.rows.length > 1) for (const name of ["logical", "billed"]) lines.push(cells(`all, ${name}`, "", "", spend[name]));
    MAIN.append(table(["Spend", "Policy", "Model", "Calls", "Tokens in", "Tokens out", "US$", "Seconds"], lines, [3, 4, 5, 6, 7]));
    MAIN.append(el("p", { class: "note" }, "Logical: what the calls would cost if no agent shared one and none was stored. Billed: what this run paid."));
  }
  if (failures.total) {
    MAIN.append(el("details", {}, el("summary", {}, `Replies without a decision (${number(failures.total)} kept${failures.rows.length < failures.total ? `, ${failures.rows.length} shown` : ""})`),
      table(["When", "Decision", "Policy", "Outcome", "Agents", "Why", "Reply", "End of the prompt"],
        failures.rows.map(([tick, kind, policy, outcome, agents, why, reply, prompt]) => [when(tick), kind, policy, outcome.replace("_", " "), number(agents), why, reply, prompt]), [4], [5, 6, 7])));
  }
}

function panels() {
  const shown = DATA.panels.filter((panel) => !(panel.texts && DATA.transcript)); // there they are whole
  if (!shown.length) return;
  heading(DATA.transcript && DATA.transcript.agents.length === DATA.transcript.among ? "Everybody's decisions" : "A sample of agents");
  for (const panel of shown) {
    const title = DATA.casts.length > 1 ? `${panel.population}: ${panel.kind}` : panel.kind;
    if (panel.texts) {
      MAIN.append(el("h3", {}, title), table(["When", "Agent", "Policy", "Decision"],
        panel.texts.map(([tick, agent, policy, text]) => [when(tick), String(agent), policy, text]), [1], [3]));
    } else if (TICKS.length) {
      const note = `${panel.agents.length} agents, a row each, by policy.`;
      MAIN.append(frame({ title, note }, [], new Raster(panel).node));
    }
  }
}

function measures() {
  if (!DATA.measures.length) return;
  const real = DATA.measures.some((row) => row[6] !== null);
  const at = (value, tick) => (value === null ? "–" : el("span", {}, number(value), el("br"), el("small", {}, when(tick))));
  MAIN.append(el("details", {}, el("summary", {}, "Measures in numbers"), table(
    ["Measure", "Last", "Lowest", "Highest", ...(real ? ["Highest, real"] : [])],
    DATA.measures.map(([name, last, low, lowAt, high, highAt, top, topAt]) =>
      [name.replaceAll("_", " "), number(last), at(low, lowAt), at(high, highAt), ...(real ? [at(top, topAt)] : [])]),
    [1, 2, 3, 4])));
}

function page() {
  banners();
  if (CALENDAR && TICKS.length) DATA.facts.splice(-2, 0, ["dates", `${when(TICKS[0])} – ${when(TICKS[TICKS.length - 1])}`]);
  document.getElementById("facts").append(...DATA.facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  if (!TICKS.length) MAIN.append(el("p", { class: "note" }, "No tick was recorded."));
  else {
    if (DATA.charts.length) DATA.charts[0].wide = true;
    MAIN.append(grid(DATA.charts));
    if (DATA.stride > 1) MAIN.append(el("p", { class: "note" }, `Every ${ordinal(DATA.stride)} tick is drawn; the tables of the run hold all.`));
    if (DATA.others.length) MAIN.append(el("details", {}, el("summary", {}, "Further measures"), grid(DATA.others)));
    interventions();
    transcript();
    measures();
  }
  cast();
  outcomes();
  minds();
  panels();
  heading("How it was made");
  MAIN.append(el("p", { class: "note" }, `Started ${DATA.manifest.started}. Versions: ${Object.entries(DATA.manifest.versions || {}).map(([k, v]) => `${k} ${v}`).join(", ")}.`));
  MAIN.append(el("details", {}, el("summary", {}, "Manifest"), el("pre", { tabindex: 0 }, JSON.stringify(DATA.manifest, null, 2))));
  document.getElementById("footer").append("Written by populace. This file is complete in itself: it loads nothing.");
  for (const draw of ASSEMBLED) draw();
  document.body.dataset.drawn = "yes";
}

page();
