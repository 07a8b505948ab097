// What the zones can be coloured by.

import { brief, count, duration, plural } from "./text.js";

/** Fewer stays than this are too few for a median. */
export const SAMPLE_MIN = 5;

export const dwellOf = (zoneDay) => (zoneDay && zoneDay.dwell_sample >= SAMPLE_MIN ? zoneDay.dwell_s : null);

export const METRICS = {
  now: {
    label: "Now",
    unit: "people in the zone now",
    none: "nobody",
    unknown: "no data",
    steps: [5, 10, 15, 20, 30, 50, 100],
    of: ({ live }, zone) => live?.zones[zone] ?? null,
    onZone: count,
    inWords: (value) => (value === null ? "no data" : plural(value, "person now", "people now")),
    tick: count,
  },
  visitors: {
    label: "Visitors today",
    unit: "visitors today",
    none: "no visitor",
    unknown: "no data",
    steps: [10, 20, 50, 100, 150, 200, 300, 500],
    of: ({ day }, zone) => day?.zones[zone]?.visitors ?? null,
    onZone: count,
    inWords: (value) => (value === null ? "no data" : plural(value, "visitor today", "visitors today")),
    tick: count,
  },
  dwell: {
    label: "Median stay",
    unit: "median stay today",
    none: "0 s",
    unknown: `fewer than ${SAMPLE_MIN} stays`,
    steps: [30, 60, 120, 180, 300, 600, 900, 1800, 3600],
    of: ({ day }, zone) => dwellOf(day?.zones[zone]),
    onZone: brief,
    inWords: (value) => (value === null ? "too few stays for a median" : `median stay ${duration(value)}`),
    tick: brief,
  },
};
