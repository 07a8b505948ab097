// Colours of values. One hue family from light to dark: it reads the same for colour-blind eyes and on paper.

const RAMP = ["#e3f1ee", "#bfe0da", "#8cc8c6", "#559fac", "#2b7690", "#145372", "#0b3350"];
export const EMPTY = "#ffffff";
export const UNKNOWN = "url(#hatch)";

const rgb = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const STOPS = RAMP.map(rgb);

function mix(t) {
  const at = Math.min(Math.max(t, 0), 1) * (STOPS.length - 1);
  const low = Math.min(Math.floor(at), STOPS.length - 2);
  return STOPS[low].map((from, i) => Math.round(from + (STOPS[low + 1][i] - from) * (at - low)));
}

const linear = (channel) => ((channel /= 255) <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

/** Fill and text colour of a value; text keeps the better contrast of dark and white (WCAG 2 relative luminance). */
export function paint(value, top) {
  if (value === null) return { fill: UNKNOWN, ink: "#18272c" };
  if (value === 0) return { fill: EMPTY, ink: "#18272c" };
  const colour = mix(value / top);
  const light = luminance(colour);
  const dark = luminance(rgb("#18272c"));
  return { fill: `rgb(${colour.join(" ")})`, ink: (light + 0.05) / (dark + 0.05) >= 1.05 / (light + 0.05) ? "#18272c" : "#ffffff" };
}

export const ramp = () => `linear-gradient(90deg, ${RAMP.join(", ")})`;

/** The smallest round number that is not below `value`, from 5 on. */
export function roundUp(value) {
  const ten = 10 ** Math.floor(Math.log10(Math.max(value, 5)));
  return Math.max(5, [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((n) => n * ten).find((step) => step >= value));
}

/** The same for seconds: what people call a round time. */
export function roundUpTime(seconds) {
  return [30, 60, 90, 120, 180, 240, 300, 420, 600, 900, 1200, 1800, 2700].find((step) => step >= seconds) ?? 3600 * Math.ceil(seconds / 3600);
}
