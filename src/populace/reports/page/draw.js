"use strict";
// Small helpers: elements, numbers, time, colours. Text reaches the page as text nodes only.
const DATA = JSON.parse(document.getElementById("data").textContent);
const TICKS = DATA.ticks;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(2)) if (child !== null && child !== undefined) node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// ---- numbers -----------------------------------------------------------------------------------

function number(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) return value.toExponential(2).replace("-", "−");
  const digits = Number.isInteger(value) || size >= 1000 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(size || 1)));
  return value.toLocaleString("en", { maximumFractionDigits: Math.min(digits, 8) }).replace("-", "−");
}

// 1st, 2nd, 3rd, 4th, ..., 11th, 12th, 13th, ..., 21st
function ordinal(n) {
  const ending = Math.floor(n / 10) % 10 === 1 ? "th" : ["th", "st", "nd", "rd"][n % 10] || "th";
  return `${number(n)}${ending}`;
}

function axisNumber(value, step) {
  const size = Math.abs(value);
  const scaled = [[1e9, "B"], [1e6, "M"], [1e3, "k"]].find(([unit]) => size >= unit * (unit === 1e3 ? 10 : 1));
  if (size !== 0 && (size < 1e-4 || size >= 1e15)) {
    return value.toExponential(4).replace(/\.?0+e/, "e").replaceAll("-", "−");
  }
  const [unit, letter] = scaled || [1, ""];
  let digits = 0; // as many as tell neighbouring marks apart exactly: a step of 2.5 needs one
  for (let s = step / unit; digits < 8 && Math.abs(s - Math.round(s)) > 1e-6 * s; s *= 10) digits++;
  const places = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (value / unit).toLocaleString("en", places).replace("-", "−") + letter;
}

function niceStep(span, count) {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough * 0.999) || 10 * power;
}

// Ends and marks of a value axis: from zero unless the values vary little far away from it.
function valueAxis(low, high, count) {
  if (!(low <= high)) [low, high] = [0, 1];
  if (low >= 0 && low < 0.7 * high) low = 0;
  if (high <= 0 && high > 0.7 * low) high = 0;
  if (low === high) {
    const room = Math.abs(low) || 1;
    if (low < 0) high = 0; else { high = low + room * 0.1; low = 0; }
  }
  const step = niceStep(high - low, count);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  const marks = [];
  for (let i = first; i <= last; i++) marks.push({ value: i * step, text: axisNumber(i * step, step) });
  return { low: first * step, high: last * step, marks };
}

function trailingMean(values, window) {
  if (window <= 1) return values;
  return values.map((value, i) => {
    if (value === null) return null;
    const near = values.slice(Math.max(0, i - window + 1), i + 1).filter((v) => v !== null);
    return near.reduce((a, b) => a + b, 0) / near.length;
  });
}

// ---- time --------------------------------------------------------------------------------------

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY = 86400000;
const CALENDAR = DATA.calendar && { unit: DATA.calendar.unit, start: Date.parse(DATA.calendar.start + "T00:00:00Z") };
const PER_UNIT = { day: 1, week: 7 };
const monthsFromStart = (date) => {
  const start = new Date(CALENDAR.start);
  return (date.getUTCFullYear() - start.getUTCFullYear()) * 12 + date.getUTCMonth() - start.getUTCMonth();
};

function dateOf(tick) {
  const days = PER_UNIT[CALENDAR.unit];
  if (days) return new Date(CALENDAR.start + tick * days * DAY);
  const start = new Date(CALENDAR.start);
  const months = start.getUTCMonth() + tick * (CALENDAR.unit === "year" ? 12 : 1);
  return new Date(Date.UTC(start.getUTCFullYear(), months, 1));
}

function tickOf(date) {
  const days = PER_UNIT[CALENDAR.unit];
  return days ? (date - CALENDAR.start) / DAY / days : monthsFromStart(date) / (CALENDAR.unit === "year" ? 12 : 1);
}

function when(tick) {
  if (!CALENDAR) return `tick ${tick.toLocaleString("en")}`;
  const date = dateOf(tick);
  const year = date.getUTCFullYear();
  if (CALENDAR.unit === "year") return String(year);
  const month = MONTHS[date.getUTCMonth()];
  return CALENDAR.unit === "month" ? `${month} ${year}` : `${date.getUTCDate()} ${month} ${year}`;
}

// Marks of the time axis between two ticks: calendar dates where there is a calendar.
function timeAxis(first, last, count) {
  const marks = [];
  if (!CALENDAR) {
    const step = Math.max(1, niceStep(last - first || 1, count));
    for (let t = Math.ceil(first / step) * step; t <= last + 1e-9; t += step) {
      if (Number.isInteger(t)) marks.push({ tick: t, text: t.toLocaleString("en") });
    }
    return marks;
  }
  const days = (dateOf(last) - dateOf(first)) / DAY || 1;
  const daily = days <= 75 && [1, 2, 7, 14].find((s) => days / s <= count);
  if (daily && CALENDAR.unit !== "month" && CALENDAR.unit !== "year") {
    for (let time = +dateOf(first), i = 0; time <= +dateOf(last); time += daily * DAY, i++) {
      const date = new Date(time);
      const month = i === 0 || date.getUTCDate() <= daily ? ` ${MONTHS[date.getUTCMonth()]}` : "";
      marks.push({ tick: tickOf(date), text: `${date.getUTCDate()}${month}` });
    }
    return marks;
  }
  const months = days / 30.44;
  const step = [1, 2, 3, 6].find((s) => months / s <= count);
  const every = step || 12 * Math.max(1, niceStep(months / 12, count));
  const from = dateOf(first);
  let year = from.getUTCFullYear(), month = Math.ceil(from.getUTCMonth() / every) * every;
  if (!step) { year = Math.ceil(year / (every / 12)) * (every / 12); month = 0; }
  for (let i = 0; ; i++, month += every) {
    const date = new Date(Date.UTC(year, month, 1));
    if (date > dateOf(last)) break;
    if (date < from) continue;
    const january = date.getUTCMonth() === 0;
    const name = january || !step ? String(date.getUTCFullYear()) : MONTHS[date.getUTCMonth()];
    const labelled = marks.length === 0 && !january && step ? `${name} ${date.getUTCFullYear()}` : name;
    marks.push({ tick: tickOf(date), text: labelled });
  }
  return marks;
}

// ---- colours -----------------------------------------------------------------------------------

const PRINT = matchMedia("print"), DARK = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => DARK.matches && !PRINT.matches;
const colour = (i) => `var(--s${i % 8})`;
const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// One hue from pale to deep (on dark paper from deep to bright): order shows without colour sight.
const RAMPS = {
  light: [[240, 244, 248], [186, 215, 236], [107, 174, 214], [33, 113, 181], [8, 48, 107]],
  dark: [[28, 37, 47], [24, 66, 106], [39, 118, 178], [112, 186, 230], [226, 243, 255]],
};
function ramp(share) {
  const stops = RAMPS[isDark() ? "dark" : "light"];
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(at));
  return stops[i].map((c, k) => Math.round(c + (stops[i + 1][k] - c) * (at - i)));
}
const rgb = (c) => `rgb(${c.join(",")})`;
const inkOn = (c) => (0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] > 140 ? "#17202b" : "#ffffff");

// Redraw what cannot use CSS colours when the scheme or the medium changes.
const REDRAW = [];
for (const query of [PRINT, DARK]) query.addEventListener("change", () => REDRAW.forEach((draw) => draw()));
// Draw once the page is assembled, and whenever the room changes (also when a fold is opened).
const ASSEMBLED = [];
function onResize(node, draw) {
  let wide = 0;
  const fit = (paint) => {
    const now = Math.round(node.clientWidth);
    if (now > 0 && now !== wide) { wide = now; paint(draw); }
  };
  ASSEMBLED.push(() => fit((paint) => paint()));
  new ResizeObserver(() => fit(requestAnimationFrame)).observe(node);
}
