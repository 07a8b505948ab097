// Kinds of zones: words and glyphs (on a 24 x 24 grid). Aisles and counters, the most of a floor, have no glyph.

import { s } from "./dom.js";

export const KINDS = {
  entrance: ["Entrance", "M11 4h8v16h-8M3 12h11M10.5 8.5 14 12l-3.5 3.5"],
  aisle: ["Aisle", null],
  counter: ["Counter", null],
  checkout: ["Checkout", "M3.5 6.5h17v11h-17zM3.5 10.5h17M7 14.5h4"],
  fitting: ["Fitting room", "M10 6.5a2 2 0 1 1 2.8 1.8c-.6.3-.8.7-.8 1.3v.9L3.5 16.5c-1 .8-.6 2 .6 2h15.8c1.2 0 1.6-1.2.6-2L12 10.5"],
  lift: ["Lift", "M8 20V5M4 9l4-4 4 4M16 4v15M12 15l4 4 4-4"],
  staff: ["Staff only", "M12 11.5a3.7 3.7 0 1 0 0-7.4 3.7 3.7 0 0 0 0 7.4zM4.5 20.5c.4-4.2 3.4-6 7.5-6s7.1 1.8 7.5 6"],
};

export const kindName = (kind) => KINDS[kind][0];

/** The glyph of a kind with its top left corner at (x, y), or null. */
export function glyph(kind, x, y, size = 14) {
  const path = KINDS[kind][1];
  return path && s("path", { class: "glyph", d: path, transform: `translate(${x} ${y}) scale(${size / 24})` });
}
