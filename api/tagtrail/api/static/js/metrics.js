// What the zones can be coloured by.

import { roundUp, roundUpTime } from "./scale.js";
import { brief, count, duration, plural } from "./text.js";

/** Fewer stays than this are too few for a median. */
export const SAMPLE_MIN = 5;

export const dwellOf = (zoneDay) => (zoneDay && zoneDay.dwell_sample >= SAMPLE_MIN ? zoneDay.dwell_s : null);

export const METRICS = {
  now: {
    label: "Now",
    unit: "people now",
    none: "nobody",
    unknown: "no data",
    roundUp,
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
    roundUp,
    of: ({ day }, zone) => day?.zones[zone]?.visitors ?? null,
    onZone: count,
    inWords: (value) => (value === null ? "no data" : plural(value, "visitor today", "visitors today")),
    tick: count,
  },
  dwell: {
    label: "Median stay",
    unit: "median of ended stays",
    none: null,
    unknown: `fewer than ${SAMPLE_MIN} stays`,
    roundUp: roundUpTime,
    of: ({ day }, zone) => dwellOf(day?.zones[zone]),
    onZone: brief,
    inWords: (value) => (value === null ? "too few stays for a median" : `median stay ${duration(value)}`),
    tick: brief,
  },
};
