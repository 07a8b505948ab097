// The side panel of one zone.

import { h } from "./dom.js";
import { kindName } from "./kinds.js";
import { SAMPLE_MIN } from "./metrics.js";
import { brief, count, duration, hourMinute, NOTHING, plural, share } from "./text.js";

const LISTED = 5;

const fact = (label, value, note) => h("div", {}, h("dt", {}, label), h("dd", {}, value), h("p", {}, note ?? ""));

export function panel(zone, floorName, live, detail, { close, select, nameOf }) {
  const now = live ? live.zones[zone.id] : null;
  const head = h(
    "header",
    {},
    h("div", {}, h("h2", {}, zone.name), h("p", {}, `${kindName(zone.kind)} · ${floorName}`)),
    h("button", { class: "close", type: "button", "aria-label": "Close", title: "Close (Esc)", onclick: close }, "×"),
  );
  if (!detail) return [head, h("p", { class: "nothing" }, "One moment…")];
  const quartiles = detail.dwell_sample >= SAMPLE_MIN ? detail.dwell_quartiles_s : null;
  const facts = h(
    "dl",
    { class: "facts" },
    fact("People now", count(now), now === null ? "no data" : ""),
    fact("Visitors today", count(detail.visitors), detail.share_of_visitors === null ? "" : `${share(detail.share_of_visitors)} of all visitors`),
    fact("Visits today", count(detail.visits), detail.visitors ? `${(detail.visits / detail.visitors).toFixed(1)} per visitor` : ""),
    fact(
      "Median stay",
      quartiles ? duration(quartiles[1]) : NOTHING,
      quartiles ? `half: ${brief(quartiles[0])} to ${brief(quartiles[2])}` : `${plural(detail.dwell_sample, "stay", "stays")}, too few`,
    ),
  );
  const left = detail.left_share ? [{ zone: null, share: detail.left_share }] : [];
  return [
    head,
    facts,
    h("h3", {}, "Visits by hour"),
    ...hours(detail.hours),
    h("h3", {}, "Where people go next"),
    steps([...detail.next, ...left].sort((a, b) => b.share - a.share), "after", select, nameOf),
    h("h3", {}, "Where they come from"),
    steps(detail.previous, "before", select, nameOf),
  ];
}

function hours(list) {
  if (!list.length) return [h("p", { class: "nothing" }, "No visit yet today.")];
  const byHour = new Map(list.map((hour) => [Number(hour.time.slice(11, 13)), hour.visits]));
  const first = Math.min(...byHour.keys(), 9);
  const last = Math.max(...byHour.keys(), 20);
  const most = Math.max(...byHour.values());
  const bars = [];
  for (let hour = first; hour <= last; hour++) {
    const visits = byHour.get(hour) ?? 0;
    const element = h("i", { class: visits ? null : "none", title: `${String(hour).padStart(2, "0")}:00: ${plural(visits, "visit", "visits")}` });
    element.style.height = `${(100 * visits) / most}%`;
    bars.push(element);
  }
  const tick = (hour) => h("span", {}, `${String(hour).padStart(2, "0")}:00`);
  return [h("div", { class: "hours" }, ...bars), h("div", { class: "ticks" }, tick(first), tick(Math.round((first + last) / 2)), tick(last + 1))];
}

function steps(list, direction, select, nameOf) {
  if (!list.length) return h("p", { class: "nothing" }, direction === "after" ? "Nobody has gone on yet." : "Nobody came from another zone yet.");
  const most = list[0].share;
  const rows = list.slice(0, LISTED).map((step) => {
    const bar = h("i", { class: "bar" });
    bar.style.width = `${(100 * step.share) / most}%`;
    const name = step.zone === null ? "Left the store" : h("button", { class: "link", type: "button", onclick: () => select(step.zone) }, nameOf(step.zone));
    return h("li", {}, h("span", {}, name), h("span", { class: "share" }, share(step.share)), bar);
  });
  return h("ol", { class: `steps ${direction}` }, ...rows);
}
