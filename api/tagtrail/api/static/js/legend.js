// What the colours and glyphs mean.

import { h, s } from "./dom.js";
import { glyph, KINDS } from "./kinds.js";
import { ramp } from "./scale.js";

export function legend(metric, top, layout) {
  const present = new Set(layout.zones.map((zone) => zone.kind));
  const kinds = Object.keys(KINDS).filter((kind) => present.has(kind) && KINDS[kind][1] !== null);
  const bar = h("i", { class: "ramp" });
  bar.style.background = ramp();
  return [
    h("span", {}, metric.tick(0), bar, `${metric.tick(top)} ${metric.unit}`),
    ...(metric.none ? [h("span", {}, h("i", { class: "swatch" }), metric.none)] : []),
    h("span", {}, h("i", { class: "swatch hatched" }), metric.unknown),
    h(
      "span",
      { class: "kinds" },
      ...kinds.map((kind) => h("span", {}, s("svg", { width: 14, height: 14 }, glyph(kind, 0, 0)), KINDS[kind][0])),
      h("span", {}, s("svg", { width: 8, height: 14, class: "antenna" }, s("circle", { cx: 4, cy: 7, r: 2.6 })), "Antenna"),
    ),
  ];
}
