// The side panel of one zone.

import { h } from "./dom.js";
import { kindName } from "./kinds.js";
import { SAMPLE_MIN } from "./metrics.js";
import { brief, count, duration, hourMinute, NOTHING, plural, share } from "./text.js";

const LISTED = 5;

const fact = (label, value, note) => h("div", {}, h("dt", {}, label), h("dd", {}, value), h("p", {}, note ?? ""));

/** Where people go from a zone, the most first, as many as are listed; zone null: they leave. */
export function nextSteps(detail) {
  const left = detail.left_share ? [{ zone: null, share: detail.left_share }] : [];
  return [...detail.next, ...left].sort((a, b) => b.share - a.share).slice(0, LISTED);
}

export function panel(zone, layout, live, detail, { close, select, nameOf }) {
  const floors = new Map(layout.floors.map(({ id, name }) => [id, name]));
  const link = (id) => {
    const there = layout.zones.find((other) => other.id === id);
    const away = there && there.floor !== zone.floor; // no arrow can lead there
    return [
      h("button", { class: "link", type: "button", onclick: () => select(id) }, away ? there.name : nameOf(id)),
      away ? h("span", { class: "away" }, `on ${floors.get(there.floor)}`) : null,
    ];
  };
  const now = live ? live.zones[zone.id] : null;
  const head = h(
    "header",
    {},
    h("div", {}, h("h2", {}, zone.name), h("p", {}, `${kindName(zone.kind)} · ${floors.get(zone.floor)}`)),
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
  return [
    head,
    facts,
    h("h3", {}, "Visits by hour"),
    ...hours(detail.hours),
    h("h3", {}, "Where people go next"),
    steps(nextSteps(detail), "after", link),
    h("h3", {}, "Where they come from"),
    steps(detail.previous.slice(0, LISTED), "before", link),
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

function steps(list, direction, link) {
  if (!list.length) return h("p", { class: "nothing" }, direction === "after" ? "Nobody has gone on yet." : "Nobody came from another zone yet.");
  const most = list[0].share;
  const rows = list.map((step) => {
    const bar = h("i", { class: "bar" });
    bar.style.width = `${(100 * step.share) / most}%`;
    const name = step.zone === null ? ["Left the store"] : link(step.zone);
    return h("li", {}, h("span", {}, ...name.filter(Boolean)), h("span", { class: "share" }, share(step.share)), bar);
  });
  return h("ol", { class: `steps ${direction}` }, ...rows);
}
