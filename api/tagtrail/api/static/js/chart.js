// The curve of people in the store, by plotly.js from this server.

import { h } from "./dom.js";
import { hourMinute, wallTime } from "./text.js";

let loading = null;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: document.body.dataset.plotly });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => {
      loading = null;
      script.remove();
      reject(new Error("plotly.js did not load"));
    });
    document.head.append(script);
  });
  return loading;
}

const SLOT_MS = 300_000;

const LAYOUT = {
  margin: { l: 34, r: 10, t: 8, b: 24 },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  showlegend: false,
  hovermode: "x unified",
  dragmode: false,
  font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", size: 11, color: "#5a6b70" },
  hoverlabel: { bgcolor: "#14262c", bordercolor: "#14262c", font: { color: "#ffffff", size: 12 } },
  xaxis: { type: "date", tickformat: "%H:%M", hoverformat: "%H:%M", nticks: 7, showgrid: false, fixedrange: true, linecolor: "#d5dddc", showline: true },
  yaxis: { rangemode: "tozero", gridcolor: "#edf1f0", zeroline: false, fixedrange: true, nticks: 5, tickformat: "d" },
  uirevision: "fixed",
};

/** Slots from shortly before the first person of the day on: the night tells nothing. */
function awake(series) {
  const first = series.findIndex((slot) => slot.inside || slot.entries);
  return first < 0 ? series.slice(-12) : series.slice(Math.max(0, first - 2));
}

/** A slot's end is the begin of the next one; the last one has got as far as the day. */
function ends(slots, until) {
  const last = new Date(Math.min(Date.parse(slots.at(-1).time) + SLOT_MS, Date.parse(until)));
  const offset = Date.parse(`${wallTime(until)}Z`) - Date.parse(until);
  return [...slots.slice(1).map((slot) => wallTime(slot.time)), wallTime(new Date(+last + offset).toISOString())];
}

/** People at the end of each slot, straight lines between; a bar covers the slot in which people came. */
export async function drawChart(box, { series, until }) {
  await load();
  const slots = awake(series);
  const begins = slots.map((slot) => wallTime(slot.time));
  const traces = [
    { type: "bar", x: begins, offset: 0, width: 0.85 * SLOT_MS, y: slots.map((slot) => slot.entries), marker: { color: "#d9e3e2" }, hoverinfo: "skip" },
    {
      type: "scatter", mode: "lines", x: slots.length ? ends(slots, until) : [], y: slots.map((slot) => slot.inside),
      customdata: slots.map((slot) => [slot.entries, hourMinute(slot.time)]),
      hovertemplate: "%{y} inside<br>%{customdata[0]} came in since %{customdata[1]}<extra></extra>", line: { color: "#11586f", width: 2 },
      fill: "tozeroy", fillcolor: "rgba(43,118,144,0.13)",
    },
  ];
  await window.Plotly.react(box, traces, LAYOUT, { displayModeBar: false, responsive: true });
}
