// Charts of the statistics pages, drawn from the tables below them: a plot can say nothing that its table does not.
const HEIGHT = 232;
const DASHES = { line: [], dashed: [7, 4], dotted: [2, 3] };
const probe = document.createElement("span");
probe.hidden = true;
document.body.append(probe);

// Canvas does not resolve light-dark(): the browser does, in a computed colour.
export function colour(token) {
  probe.style.color = `var(--${token})`;
  return getComputedStyle(probe).color;
}

export function faded(token, percent) {
  probe.style.color = `color-mix(in srgb, var(--${token}) ${percent}%, transparent)`;
  return getComputedStyle(probe).color;
}

function number(cell, name) {
  return cell.dataset[name] === undefined ? null : Number(cell.dataset[name]);
}

// "81.2 % (78.1 to 84.0 · n 420) few"
function said(cell) {
  const parts = [...cell.children].filter((part) => part.textContent.trim());
  return parts.map((part) => (part.className === "interval" ? `(${part.textContent.trim()})` : part.textContent.trim())).join(" ");
}

// { at: seconds[], heads: string[], series: [{ label, dash, value[], low[], high[], text[] }] }
function read(table) {
  const rows = [...table.tBodies[0].rows].filter((row) => row.dataset.at);
  const heads = [...table.tHead.rows[0].cells];
  const series = heads.flatMap((head, index) => {
    if (!head.dataset.series) return [];
    const cells = rows.map((row) => row.cells[index]);
    return [
      {
        label: head.textContent.trim(),
        dash: DASHES[head.dataset.series],
        value: cells.map((cell) => number(cell, "value")),
        low: cells.map((cell) => number(cell, "low")),
        high: cells.map((cell) => number(cell, "high")),
        text: cells.map(said),
      },
    ];
  });
  return { at: rows.map((row) => Number(row.dataset.at)), heads: rows.map((row) => row.cells[0].textContent.trim()), series };
}

// uPlot's columns: time, then each series, then the lower and upper bounds of those that have them.
function columns(data) {
  const banded = data.series.filter((series) => series.low.some((low) => low !== null));
  return { banded, values: [data.at, ...data.series.map((one) => one.value), ...banded.flatMap((one) => [one.low, one.high])] };
}

function lines(data, banded) {
  const few = data.at.length <= 40;
  const drawn = data.series.map((series, index) => {
    const stroke = colour(`series-${index + 1}`);
    return { label: series.label, stroke, width: 1.75, dash: series.dash, points: { show: few, size: 5, fill: stroke, width: 0 } };
  });
  const bounds = banded.flatMap(() => [0, 1].map(() => ({ stroke: "transparent", width: 0, points: { show: false } })));
  return [{}, ...drawn, ...bounds];
}

function bands(data, banded) {
  const first = 1 + data.series.length;
  return banded.map((series, index) => ({
    series: [first + 2 * index + 1, first + 2 * index],
    fill: faded(`series-${data.series.indexOf(series) + 1}`, 16),
  }));
}

function range(data, unit, limit) {
  const known = data.series.flatMap((one) => [...one.value, ...one.low, ...one.high]).filter((value) => value !== null);
  if (limit !== null) known.push(limit);
  if (unit !== "%") return [0, Math.max(1, ...known) * 1.08];
  // Percentages share a floor of zero or whole tenths, so that a plot never makes a mountain of a point.
  const low = Math.floor(Math.min(...known) * 10 - 0.5) / 10;
  const high = Math.ceil(Math.max(...known) * 10 + 0.2) / 10;
  return [Math.max(0, low), Math.min(1, Math.max(high, low + 0.2))];
}

function axes(unit, at) {
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
  const month = new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit", timeZone: "UTC" });
  const long = at.length > 1 && at[1] - at[0] > 27 * 86400;
  const font = "12px system-ui, sans-serif";
  const ticks = { show: true, size: 4, width: 1, stroke: colour("line") };
  const figure = (value) => (unit === "%" ? `${Math.round(value * 100)} %` : value.toLocaleString("en-GB").replaceAll(",", "\u202f"));
  const every = Math.max(1, Math.ceil(at.length / 8));
  return [
    {
      stroke: colour("ink-soft"), font, ticks, grid: { show: false }, size: 28,
      splits: () => at.filter((_, index) => index % every === 0),
      values: (_, splits) => splits.map((second) => (long ? month : day).format(second * 1000)),
    },
    { stroke: colour("ink-soft"), font, ticks: { show: false }, grid: { stroke: colour("line"), width: 1 }, size: 52, space: 36, values: (_, splits) => splits.map(figure) },
  ];
}

function limitLine(limit) {
  return (plot) => {
    if (limit === null) return;
    const y = plot.valToPos(limit, "y", true);
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("ink-soft");
    ctx.setLineDash([2, 4]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
    ctx.restore();
  };
}

function readout(data, index) {
  const parts = data.series.map((one) => `${one.label} ${one.text[index]}`);
  return `${data.heads[index]}: ${parts.join("; ")}`;
}

function options(figure, data, banded, place) {
  const limit = figure.dataset.limit === undefined ? null : Number(figure.dataset.limit);
  const bounds = range(data, figure.dataset.unit, limit);
  const pad = data.at.length > 1 ? (data.at[1] - data.at[0]) / 3 : 43200;
  return {
    width: figure.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
    scales: { x: { time: true, range: [data.at[0] - pad, data.at.at(-1) + pad] }, y: { range: bounds } },
    axes: axes(figure.dataset.unit, data.at),
    series: lines(data, banded),
    bands: bands(data, banded),
    hooks: { drawAxes: [limitLine(limit)], setCursor: [(plot) => plot.cursor.idx !== null && place(plot.cursor.idx)] },
  };
}

const SHAPE = "http://www.w3.org/2000/svg";

function legend(data) {
  const list = document.createElement("ul");
  list.className = "chart-legend";
  list.append(
    ...data.series.map((series, index) => {
      const item = document.createElement("li");
      const sample = document.createElementNS(SHAPE, "svg");
      const line = document.createElementNS(SHAPE, "path");
      sample.setAttribute("viewBox", "0 0 28 10");
      sample.setAttribute("aria-hidden", "true");
      sample.setAttribute("class", `series-${index + 1}`);
      line.setAttribute("d", "M0 5h28");
      line.setAttribute("stroke-dasharray", series.dash.join(" "));
      sample.append(line);
      item.append(sample, series.label);
      return item;
    }),
  );
  return list;
}

function chart(figure) {
  const data = read(document.getElementById(figure.dataset.chart));
  if (!data.series.some((series) => series.value.some((value) => value !== null))) return;
  const output = document.querySelector(`[data-readout="${figure.dataset.chart}"]`);
  figure.hidden = output.hidden = false;
  if (data.series.length > 1) figure.before(legend(data));
  let plot = null;
  let shown = data.at.length - 1;
  const place = (index) => {
    shown = index;
    output.textContent = readout(data, index);
  };
  const draw = () => {
    plot?.destroy();
    const { banded, values } = columns(data);
    plot = new uPlot(options(figure, data, banded, place), values, figure);
  };
  const move = (index) => {
    place(Math.min(data.at.length - 1, Math.max(0, index)));
    plot.setCursor({ left: plot.valToPos(data.at[shown], "x"), top: 0 }, false);
  };
  figure.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: shown - 1, ArrowRight: shown + 1, Home: 0, End: data.at.length - 1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    move(steps[event.key]);
  });
  draw();
  place(shown);
  new ResizeObserver(() => plot.width !== figure.clientWidth && plot.setSize({ width: figure.clientWidth, height: HEIGHT })).observe(figure);
  const redraw = () => draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

for (const form of document.querySelectorAll("form[data-auto-submit]")) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}

// A deferred script has run before any module does; without it the tables stand alone.
if (typeof uPlot === "function") document.querySelectorAll("[data-chart]").forEach(chart);
else document.querySelectorAll("[data-folded]").forEach((details) => (details.open = true));
