// Runs after the report's own script: moves through the conversation, opens folds, notes what it finds.
const say = (name, value) => document.body.setAttribute("data-" + name, JSON.stringify(value));
const change = (node, value) => { node.value = value; node.dispatchEvent(new Event(node.type === "range" ? "input" : "change")); };
const rows = () => [...document.querySelectorAll(".talk-list > .turn")].map((t) => ["who", "said"].map((c) => t.querySelector("." + c).firstChild.parentNode.innerText.split("\n")[0].trim()));
addEventListener("load", async () => {
  const root = document.querySelector(".transcript"), slider = root.querySelector("input[type=range]");
  const [chart, who] = [root.querySelector(".beside select"), root.querySelector(".choose select")];
  const told = root.querySelector(".choose input");
  say("charts", [...chart.options].map((o) => o.textContent));
  say("agents", [...who.options].map((o) => o.textContent));
  say("first", rows());
  say("texts", [...root.querySelectorAll(".said > .text")].map((t) => t.textContent));
  change(slider, 1);
  say("second", rows());
  say("when", root.querySelector("output").textContent);
  const pin = () => Number(root.querySelector(".pin line").getAttribute("x1"));
  const before = pin();
  root.querySelector("[title=Later]").click();
  say("moved", pin() > before);
  const svg = root.querySelector("svg.chart"), box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + 1, clientY: box.top + 40 }));
  svg.dispatchEvent(new MouseEvent("click"));
  say("clicked", [slider.value, root.querySelector("output").textContent]);
  change(chart, 1);
  change(who, 0);
  told.click();
  say("alone", rows());
  say("rounds", [...root.querySelectorAll(".talk-list > .round")].map((r) => r.textContent));
  const opened = {};
  for (const fold of root.querySelector(".talk-list > .turn").querySelectorAll("details")) {
    fold.open = true;
    fold.dispatchEvent(new Event("toggle"));
    opened[fold.firstChild.textContent] ??= fold.innerText.split("\n").slice(1).filter(Boolean);
  }
  say("opened", opened);
  say("ordinals", [1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111, 112].map(ordinal));
  say("rasters", [...document.querySelectorAll("#main > figure .title")].map((t) => t.textContent));
  say("overflow", document.documentElement.scrollWidth - innerWidth);
  say("images", document.querySelectorAll("img").length);
  say("banner", document.getElementById("banner").innerText);
  say("errors", window.errors);
});
