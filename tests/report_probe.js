// Runs after the report's own script: reads what was drawn, moves, types, clicks, and notes it
// all in attributes of the body.
const say = (name, value) => document.body.setAttribute("data-" + name, JSON.stringify(value));
addEventListener("load", () => {
  const figures = [...document.querySelectorAll("#main > .charts > figure")];
  const charts = figures.map((f) => f.querySelector("svg.chart"));
  const tipOf = (svg) => { const t = svg.parentNode.querySelector(".tip"); return t.hidden ? null : t.innerText; };
  say("titles", figures.map((f) => f.querySelector(".title").textContent));
  say("lines", charts.map((c) => c.querySelectorAll(".sim:not(.raw)").length));
  say("points", charts[0].querySelector(".sim:not(.raw)").getAttribute("d").split(/[ML]/).length - 1);
  say("real", (charts[0].querySelector("path.real.raw").getAttribute("d").match(/M/g) || []).length);
  say("events", charts.slice(0, 2).map((c) => [...c.querySelectorAll(".events text")].map((t) => t.textContent)));
  say("bars", [...charts[1].querySelectorAll(".bars")].map((b) => b.getAttribute("d").split("M").length - 1));
  const box = charts[0].getBoundingClientRect();
  say("height", box.height > 150);
  const move = (share) => charts[0].dispatchEvent(
    new PointerEvent("pointermove", { clientX: box.left + box.width * share, clientY: box.top + 50 }));
  move(1); say("tip-right", tipOf(charts[0]));
  move(0); say("tip-left", tipOf(charts[0]));
  say("cross", charts[0].querySelectorAll(".cross circle").length);
  const press = (key) => charts[0].dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  press("ArrowRight"); press("ArrowRight"); say("tip-key", tipOf(charts[0]));
  press("Escape"); say("tip-gone", tipOf(charts[0]));
  const toggle = figures[1].querySelector(".legend button");
  toggle.click();
  say("hidden", [toggle.getAttribute("aria-pressed"), charts[1].querySelectorAll(".bars").length]);
  const tiles = [...document.querySelectorAll(".tile")];
  const slider = document.querySelector(".controls input");
  say("peak", document.querySelector(".controls output").textContent);
  const north = document.querySelector('.tile[aria-label="The North"]');
  const before = north.getAttribute("fill");
  slider.value = 0; slider.dispatchEvent(new Event("input"));
  say("tiles", [tiles.length, before !== north.getAttribute("fill"), document.querySelector(".controls output").textContent]);
  north.dispatchEvent(new PointerEvent("pointerenter"));
  say("map-tip", document.querySelector(".map + .tip").innerText);
  north.dispatchEvent(new MouseEvent("click"));
  say("area", document.querySelector(".area b").textContent);
  const canvas = document.querySelector("canvas"), pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set(); for (let i = 0; i < pixels.length; i += 4) seen.add(pixels.slice(i, i + 3).join());
  say("raster", seen.size >= 3);
  say("banner", document.getElementById("banner").innerText);
  say("width", innerWidth);
  say("overflow", document.documentElement.scrollWidth - innerWidth);
  say("images", document.querySelectorAll("img").length);
  say("csv", csvOf(DATA.charts[0]).split("\n").slice(0, 3));
  const picture = new DOMParser().parseFromString(svgOf(new Plot(DATA.charts[3])), "image/svg+xml");
  say("picture", picture.documentElement.nodeName);
  const spans = [[0, 12.4], [0, 0.003], [-7, 3], [0, 2.4e6], [990, 1000], [0, 123456], [5, 5], [0, 0],
    [-3, -3], [0, 1e18], [0, 3e-6]];
  say("marks", spans.map(([low, high]) => valueAxis(low, high, 5).marks.map((m) => [m.value, m.text])));
  say("errors", window.errors);
});
