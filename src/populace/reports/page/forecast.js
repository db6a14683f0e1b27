// The page of a forecast: a chart a measure with bands, the scores, how to read them.

function forecast() {
  for (const chart of DATA.charts) {
    MAIN.append(el("div", { class: "charts" }, bandChart({ ...chart, wide: true, zero: true,
      note: "Dots: counted. Line: median. Band: the middle 95 % of the draws." })));
  }
  const { head, rows } = DATA.scores;
  if (rows.length) {
    heading("Scores on the days that the fit never saw");
    const wide = head.map((_, i) => i).filter((i) => rows.every((row) => typeof row[i] !== "string"));
    MAIN.append(table(head.map((name) => name.replaceAll("_", " ")), rows.map((row) => row.map((v) => (typeof v === "number" ? number(v) : v))), wide));
    const terms = [
      ["wis", "Weighted interval score, in the units of the measure, a day: smaller is better."],
      ["crps", "Continuous ranked probability score: smaller is better; the absolute error of a point forecast."],
      ["error", "Mean absolute error of the median."],
      ["bias", "Median less counted, on average."],
      ["inside", "Share of days within the middle 50 and 95 % of the draws: 0.5 and 0.95 where a forecast is as sure as it should be."],
      ["relative", "WIS over that of the baseline: below 1 is better."],
    ];
    MAIN.append(el("dl", { class: "reading" }, terms.map(([term, words]) => [el("dt", {}, term), el("dd", {}, words)])));
  }
  for (const words of DATA.notes) MAIN.append(el("p", { class: "note" }, words));
  document.getElementById("footer").append("Written by populace. This file is complete in itself: it loads nothing.");
  for (const draw of ASSEMBLED) draw();
  document.body.dataset.drawn = "yes";
}

forecast();
