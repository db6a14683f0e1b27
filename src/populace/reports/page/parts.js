// Parts of every page: banner, headings, framed charts, tables.

const MAIN = document.getElementById("main");
const banner = (...words) => {
  const node = document.getElementById("banner");
  node.append(el("div", {}, words));
  node.hidden = false;
};
addEventListener("error", (event) => banner(el("b", {}, "This page could not be drawn: "), event.message));

const tool = (text, title, onclick) => el("button", { type: "button", title, onclick }, text);
const heading = (text) => MAIN.append(el("h2", {}, text));

function frame(spec, tools, ...body) {
  return el("figure", { class: spec.wide ? "wide" : null },
    el("figcaption", {}, el("span", { class: "title" }, spec.title), el("span", { class: "tools" }, tools)),
    spec.note ? el("p", { class: "note" }, spec.note) : null,
    spec.unit && spec.kind !== "map" ? el("p", { class: "unit" }, spec.unit) : null, ...body);
}

function table(head, rows, numeric = [], long = []) {
  const kind = (i) => (numeric.includes(i) ? "num" : long.includes(i) ? "long" : null);
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text, i) => el("th", { class: kind(i), scope: "col" }, text)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) => el("td", { class: kind(i) }, cell ?? "–")))))));
}
