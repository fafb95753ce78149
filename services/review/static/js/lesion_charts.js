// Charts of a lesion over real time, drawn from the table of its visits: a plot can say nothing that the table does not.
import { colour, faded } from "./charts.js";

const HEIGHT = 148;
const DASHES = { line: [], dashed: [6, 4] };
const DAY = 86400;
// Names of the days stand at least this far apart, px.
const LABEL = 68;
const date = new Intl.DateTimeFormat("en-GB", { month: "short", year: "2-digit", timeZone: "UTC" });

function number(cell, name) {
  return cell.dataset[name] === undefined ? null : Number(cell.dataset[name]);
}

function read(table, wanted) {
  const rows = [...table.tBodies[0].rows];
  const heads = [...table.tHead.rows[0].cells];
  const series = heads.flatMap((head, index) => {
    if (!wanted.includes(head.dataset.column)) return [];
    const cells = rows.map((row) => row.cells[index]);
    const numbers = (name) => cells.map((cell) => number(cell, name));
    const text = cells.map((cell) => cell.textContent.trim());
    return [{ label: head.textContent.trim(), dash: DASHES[head.dataset.series], value: numbers("value"), low: numbers("low"), high: numbers("high"), text }];
  });
  return {
    at: rows.map((row) => Number(row.dataset.at)),
    days: rows.map((row) => row.cells[0].textContent.trim()),
    decided: rows.map((row) => row.querySelector("[data-decided]")?.textContent.trim() ?? ""),
    series,
  };
}

function range(series) {
  const known = series.flatMap((one) => [...one.value, ...one.low, ...one.high]).filter((value) => value !== null);
  const top = Math.max(...known);
  const low = Math.min(...known);
  // From nought, but where that would press all that happens into a line.
  return [low > 0.6 * top ? Math.max(0, low - (top - low) - 0.05 * top) : 0, top + 0.12 * (top - Math.min(0, low)) || 1];
}

function span(at) {
  const pad = Math.max((at.at(-1) - at[0]) * 0.06, 10 * DAY);
  return [at[0] - pad, at.at(-1) + pad];
}

// Days of visits, as many as have room for their names; the last one always.
function ticks(at, width) {
  const [low, high] = span(at);
  const kept = [];
  for (const second of [...at].reverse()) {
    if (kept.length === 0 || ((kept.at(-1) - second) / (high - low)) * width >= LABEL) kept.push(second);
  }
  return kept.reverse();
}

function axes(data, width) {
  const font = "12px system-ui, sans-serif";
  const stroke = colour("ink-soft");
  const line = { stroke: colour("line"), width: 1 };
  const figures = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });
  return [
    { stroke, font, grid: { show: false }, ticks: { ...line, size: 4 }, size: 26, splits: () => ticks(data.at, width), values: (_, splits) => splits.map((second) => date.format(second * 1000)) },
    { stroke, font, grid: line, ticks: { show: false }, size: 44, space: 32, values: (_, splits) => splits.map((value) => figures.format(value)) },
  ];
}

function lines(data) {
  const drawn = data.series.map((one, index) => {
    const stroke = colour(`series-${index + 1}`);
    return { label: one.label, stroke, width: 1.75, dash: one.dash, spanGaps: false, points: { show: true, size: 6, fill: stroke, width: 0 } };
  });
  const bounds = data.series.flatMap(() => [0, 1].map(() => ({ stroke: "transparent", width: 0, points: { show: false } })));
  return [{}, ...drawn, ...bounds];
}

// Error bars beside the band: a visit between two gaps has no band.
function errorBars(data) {
  return (plot) => {
    const { ctx } = plot;
    ctx.save();
    ctx.lineWidth = window.devicePixelRatio;
    data.series.forEach((one, index) => {
      ctx.strokeStyle = colour(`series-${index + 1}`);
      one.low.forEach((low, visit) => {
        if (low === null) return;
        const [x, y0, y1] = [plot.valToPos(data.at[visit], "x", true), plot.valToPos(low, "y", true), plot.valToPos(one.high[visit], "y", true)];
        ctx.beginPath();
        ctx.moveTo(x, y0);
        ctx.lineTo(x, y1);
        ctx.stroke();
      });
    });
    ctx.restore();
  };
}

function decisions(data) {
  return (plot) => {
    const { ctx, bbox } = plot;
    const unit = window.devicePixelRatio;
    ctx.save();
    ctx.fillStyle = ctx.strokeStyle = colour("ink-soft");
    ctx.setLineDash([2 * unit, 3 * unit]);
    data.decided.forEach((words, visit) => {
      if (!words) return;
      const x = plot.valToPos(data.at[visit], "x", true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top + 6 * unit);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 4 * unit, bbox.top);
      ctx.lineTo(x + 4 * unit, bbox.top);
      ctx.lineTo(x, bbox.top + 7 * unit);
      ctx.fill();
    });
    ctx.restore();
  };
}

function bands(data) {
  const first = 1 + data.series.length;
  return data.series.map((_, index) => ({ series: [first + 2 * index + 1, first + 2 * index], fill: faded(`series-${index + 1}`, 16) }));
}

function said(data, index) {
  const figures = data.series.map((one) => (data.series.length > 1 ? `${one.label} ${one.text[index]}` : one.text[index]));
  return [`${data.days[index]}: ${figures.join("; ")}`, data.decided[index]].filter(Boolean).join(" · ");
}

function chart(figure, table) {
  const data = read(table, figure.dataset.lesionChart.split(" "));
  const output = figure.parentElement.querySelector(".readout");
  figure.hidden = output.hidden = false;
  let plot = null;
  let shown = Math.max(0, data.at.length - 1);
  const place = (index) => {
    shown = index;
    output.textContent = said(data, index);
  };
  const draw = () => {
    plot?.destroy();
    const width = figure.clientWidth;
    const options = {
      width,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 9 } },
      scales: { x: { time: true, range: span(data.at) }, y: { range: range(data.series) } },
      axes: axes(data, width),
      series: lines(data),
      bands: bands(data),
      hooks: { drawAxes: [decisions(data)], draw: [errorBars(data)], setCursor: [(drawn) => drawn.cursor.idx !== null && place(drawn.cursor.idx)] },
    };
    const values = [data.at, ...data.series.map((one) => one.value), ...data.series.flatMap((one) => [one.low, one.high])];
    plot = new uPlot(options, values, figure);
  };
  figure.addEventListener("keydown", (event) => {
    const last = data.at.length - 1;
    const next = { ArrowLeft: Math.max(0, shown - 1), ArrowRight: Math.min(last, shown + 1), Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    plot.setCursor({ left: plot.valToPos(data.at[next], "x"), top: 0 }, false);
    place(next);
  });
  draw();
  place(shown);
  let width = figure.clientWidth;
  new ResizeObserver(() => {
    if (figure.clientWidth === width) return;
    width = figure.clientWidth;
    draw();
  }).observe(figure);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

export function installLesionCharts() {
  const table = document.getElementById("visits-table");
  if (!table) return;
  if (typeof uPlot !== "function") table.closest("details").open = true;
  else for (const figure of document.querySelectorAll("[data-lesion-chart]")) chart(figure, table);
}
