// Fits a zone's name and number into its shape.

import { heightAt, labelPoint, widthAt } from "./geometry.js";

const LINE = 13;
const NUMBER = 19;
const SMALL_NUMBER = 16;
const context = document.createElement("canvas").getContext("2d");

function widthOf(text) {
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return context.measureText(text).width;
}

/** The name in at most `rows` lines of at most `width`, or null where it does not fit. */
function wrap(name, width, rows) {
  const lines = [];
  for (const word of name.split(/\s+/)) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && widthOf(longer) <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.length <= rows && lines.every((line) => widthOf(line) <= width) ? lines : null;
}

/**
 * Where the text of a zone goes: above an antenna in its middle, as a place name on a map; in low zones around it.
 *
 * @param name of the zone
 * @param polygon in pixels
 * @param marks points (antennas) that the text should not cover
 * @returns {{centre, lines, nameY, valueY, small}} y of the base lines
 */
export function placeLabel(name, polygon, marks) {
  const centre = labelPoint(polygon);
  const width = widthAt(centre, polygon) - 6;
  const height = heightAt(centre, polygon) - 4;
  const covered = marks.some(([x, y]) => Math.abs(x - centre[0]) < 40 && Math.abs(y - centre[1]) < 14);
  const rows = Math.floor((height - NUMBER) / LINE);
  const lines = rows >= 1 ? wrap(name, width, Math.min(rows, 3)) : null;
  const small = lines === null && height < 40;
  const block = (lines?.length ?? 0) * LINE + (small ? SMALL_NUMBER : NUMBER);
  const label = { centre, lines: lines ?? [], small };
  if (covered && block + 9 > height / 2) {
    const low = height < 52;
    return { ...label, small: low, nameY: centre[1] - 7 - LINE * (label.lines.length - 1), valueY: centre[1] + (low ? 16 : 20) };
  }
  const top = covered ? centre[1] - 7 - block : centre[1] - block / 2;
  return { ...label, nameY: top + LINE - 3, valueY: top + block - 4 };
}
