// The numbers of the day.

import { h } from "./dom.js";
import { count, duration, hourMinute, NOTHING, plural } from "./text.js";
import { SAMPLE_MIN } from "./metrics.js";

/** Differences up to this share of the value before are called "as a week ago". */
const SAME = 0.05;

function comparison(number, day) {
  if (number.week_before === null || number.value === null) return null;
  const weekday = new Intl.DateTimeFormat("en", { weekday: "short", timeZone: "UTC" }).format(new Date(`${day}T12:00:00Z`));
  const change = number.value / number.week_before - 1;
  if (Math.abs(change) <= SAME) return `about as last ${weekday} by now`;
  return `${change > 0 ? "▲" : "▼"} ${Math.round(Math.abs(change) * 100)} % on last ${weekday} by now`;
}

const card = (label, value, note, definition, words = false) =>
  h(
    "dl",
    { class: "card number", title: definition, tabindex: 0 },
    h("dt", {}, label),
    h("dd", { class: words ? "words" : null }, value),
    h("p", {}, note ?? "\u00a0"),
  );

export function cards(day, live, nameOf) {
  const { inside_now, visitors, entries, stay_s, peak_inside, busiest_zone } = day.numbers;
  const inside = live ? live.inside : null;
  // The day is asked for less often than who is there: now may be more than its most.
  const record = inside !== null && inside > (peak_inside.value ?? 0);
  const enough = (stay_s.sample ?? 0) >= SAMPLE_MIN;
  const perVisitor = visitors.value ? (entries.value / visitors.value).toFixed(2) : null;
  return [
    card("Inside now", count(inside), inside === null ? "no data" : "in the whole store", inside_now.definition),
    card("Visitors today", count(visitors.value), comparison(visitors, day.day) ?? `since ${hourMinute(day.start)}`, visitors.definition),
    card("Entries", count(entries.value), comparison(entries, day.day) ?? (perVisitor && `${perVisitor} per visitor`), entries.definition),
    card(
      "Median stay in store",
      enough ? duration(stay_s.value) : NOTHING,
      enough ? (comparison(stay_s, day.day) ?? `of ${plural(stay_s.sample, "ended stay", "ended stays")}`) : "too few stays have ended",
      stay_s.definition,
    ),
    card(
      "Most at once",
      count(record ? inside : peak_inside.value),
      record ? "now" : peak_inside.at && `at ${hourMinute(peak_inside.at)}`,
      peak_inside.definition,
    ),
    card(
      "Busiest counter",
      busiest_zone.zone ? nameOf(busiest_zone.zone) : NOTHING,
      busiest_zone.zone && plural(busiest_zone.visitors, "visitor", "visitors"),
      busiest_zone.definition,
      true,
    ),
  ];
}
