// The strip: shares, visits, silence, reads; time to the right.

const GUTTER = 150;
const MARGIN = 14;
const ROW = { axis: 20, shares: 92, visits: 34, silence: 14 };
const LANE = 13;
const TICKS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];
const ZOOM_MIN_S = 20;

const dbms = [...data.read_dbm].filter((value) => value < 255).map((value) => value - 150);
const weakest = dbms.reduce((a, b) => Math.min(a, b), 0);
const strongest = dbms.reduce((a, b) => Math.max(a, b), weakest + 1);
$("lanes").style.height = `${LANE * about.heard.length + 6}px`;

let colours = {};
let bandColours = [];
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["card", "ink", "soft", "faint", "line", "wall", "antenna", "ring", "accent", "none", "rest"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  const isDark = document.documentElement.classList.contains("dark");
  // Neighbours in time are far apart in hue (the golden angle), and differ in lightness.
  bandColours = about.bands.map((place, band) => {
    if (place === NO_ZONE) return colours.none;
    if (place === OUTSIDE) return colours.rest;
    return `oklch(${(isDark ? 0.64 : 0.6) + (band % 2 ? 0.12 : 0)} 0.13 ${(30 + 137.5 * band) % 360})`;
  });
}
const colourOf = (place) => bandColours[about.bands.indexOf(place)] ?? colours.rest;

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const box = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(box.width * ratio) || canvas.height !== Math.round(box.height * ratio)) {
    canvas.width = Math.round(box.width * ratio);
    canvas.height = Math.round(box.height * ratio);
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return [pen, box.width, box.height];
}

/** Text that can be read on anything. */
function write(pen, text, left, top, colour) {
  pen.lineWidth = 3;
  pen.lineJoin = "round";
  pen.strokeStyle = colours.card;
  pen.globalAlpha = 0.7;
  pen.strokeText(text, left, top);
  pen.globalAlpha = 1;
  pen.fillStyle = colour;
  pen.fillText(text, left, top);
}

/** As much of a text as there is room for. */
function shorten(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 2 && pen.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return kept.length > 2 ? `${kept}…` : "";
}

let plot = 1; // width of the part that has the time
const xOf = (second) => GUTTER + ((second - state.from) / (state.to - state.from)) * plot;
const secondOf = (x) => Math.floor(state.from + ((x - GUTTER) / plot) * (state.to - state.from));

function hatch(pen, left, top, width, height) {
  pen.save();
  pen.beginPath();
  pen.rect(left, top, width, height);
  pen.clip();
  pen.beginPath();
  for (let x = left - height; x < left + width; x += 7) {
    pen.moveTo(x, top + height);
    pen.lineTo(x + height, top);
  }
  pen.lineWidth = 1;
  pen.strokeStyle = colours.faint;
  pen.stroke();
  pen.restore();
}

function drawAxis(pen, height) {
  const per = TICKS_S.find((step) => (step / (state.to - state.from)) * plot >= 76) ?? TICKS_S.at(-1);
  const local = about.start_ms / 1000 + about.offsets[0][1];
  pen.textAlign = "center";
  for (let second = Math.ceil((local + state.from) / per) * per - local; second <= state.to; second += per) {
    const x = xOf(second);
    pen.fillStyle = colours.line;
    pen.fillRect(x, ROW.axis - 4, 1, height);
    pen.fillStyle = colours.soft;
    pen.fillText(per < 60 ? clock(second) : clock(second).slice(0, 5), x, 4);
  }
  pen.textAlign = "left";
}

function drawShares(pen) {
  const top = ROW.axis;
  const sums = new Float64Array(width);
  const perPixel = (state.to - state.from) / plot;
  for (let px = 0; px < plot; px++) {
    const from = Math.floor(state.from + px * perPixel);
    const to = Math.max(from + 1, Math.floor(state.from + (px + 1) * perPixel));
    sums.fill(0);
    let seconds = 0;
    for (let second = from; second < to; second++) {
      const step = stepAt(second);
      if (step < 0) continue;
      seconds++;
      for (let band = 0; band < width; band++) sums[band] += data.shares[step * width + band];
    }
    if (!seconds) continue;
    let y = top;
    for (let band = 0; band < width; band++) {
      const height = (sums[band] / seconds / about.parts) * ROW.shares;
      if (height < 0.2) continue;
      pen.fillStyle = bandColours[band];
      pen.fillRect(GUTTER + px, y, 1, height);
      y += height;
    }
    pen.fillStyle = colours.line;
    if (y < top + ROW.shares - 0.5) pen.fillRect(GUTTER + px, y, 1, top + ROW.shares - y);
  }
  let before = 0;
  for (const { start, seconds } of [...about.passages, { start: about.seconds, seconds: 0 }]) {
    if (start > before) {
      const [left, right] = [Math.max(GUTTER, xOf(before)), Math.min(GUTTER + plot, xOf(start))];
      if (right > left) {
        hatch(pen, left, top, right - left, ROW.shares + ROW.visits);
        const text = shorten(pen, `not heard for ${duration(start - before)}`, right - left - 8);
        write(pen, text, left + 4, top + ROW.shares / 2 - 6, colours.soft);
      }
    }
    before = start + seconds;
  }
}

function drawVisits(pen) {
  const top = ROW.axis + ROW.shares + 5;
  const height = ROW.visits - 16;
  for (const visit of about.visits) {
    const left = Math.max(GUTTER, xOf(visit.enter));
    const right = Math.min(GUTTER + plot, xOf(visit.exit));
    if (right <= GUTTER || left >= GUTTER + plot) continue;
    pen.fillStyle = colourOf(visit.place);
    pen.globalAlpha = 0.2 + 0.75 * visit.confidence;
    pen.fillRect(left, top, Math.max(1, right - left - 0.5), height);
    pen.globalAlpha = 1;
    const text = shorten(pen, about.places[visit.place], right - left - 6);
    if (text) write(pen, text, left + 3, top + 3, colours.ink);
    // Where it may have ended, had it begun when it is told to: the interval of the dwell.
    const y = top + height + 5;
    const [low, high] = [visit.enter + visit.low_s, visit.enter + visit.high_s].map((second) => Math.min(Math.max(xOf(second), GUTTER), GUTTER + plot));
    pen.fillStyle = colours.soft;
    pen.fillRect(low, y, high - low, 1);
    for (const x of [low, high]) pen.fillRect(x, y - 2, 1, 5);
    if (visit.censored) {
      pen.beginPath();
      pen.moveTo(right, top);
      pen.lineTo(right + 8, top + height / 2);
      pen.lineTo(right, top + height);
      pen.closePath();
      pen.lineWidth = 1.5;
      pen.strokeStyle = colours.ink;
      pen.stroke();
    }
  }
}

/** Silences: the longer a bar, the longer nothing was heard. */
function drawSilences(pen) {
  const top = ROW.axis + ROW.shares + ROW.visits;
  for (let row = 0; row + 1 < data.read_ms.length; row++) {
    const [from, to] = [data.read_ms[row] / 1000, data.read_ms[row + 1] / 1000];
    if (to - from < about.silence_s) continue;
    const [left, right] = [Math.max(GUTTER, xOf(from)), Math.min(GUTTER + plot, xOf(to))];
    if (right <= left) continue;
    hatch(pen, left, top, right - left, ROW.silence - 3);
    pen.strokeStyle = colours.soft;
    pen.lineWidth = 1;
    pen.strokeRect(left + 0.5, top + 0.5, right - left - 1, ROW.silence - 4);
    const text = `${Math.round(to - from)} s`;
    if (pen.measureText(text).width < right - left - 5) write(pen, text, left + 3, top + 1, colours.ink);
  }
}

function drawLanes(pen, height) {
  about.heard.forEach((antenna, lane) => {
    const bottom = (lane + 1) * LANE;
    pen.fillStyle = colours.soft;
    pen.fillText(shorten(pen, about.antennas[antenna].name, GUTTER - 16), 10, bottom - LANE + 2);
    pen.fillStyle = colours.line;
    pen.fillRect(GUTTER, bottom, plot, 1);
  });
  pen.fillStyle = colours.antenna;
  const end = readFrom(state.to * 1000);
  for (let row = readFrom(state.from * 1000); row < end; row++) {
    const dbm = dbmOf(row) ?? weakest;
    const tall = 2 + (LANE - 4) * ((dbm - weakest) / (strongest - weakest));
    pen.fillRect(xOf(data.read_ms[row] / 1000), (data.read_antenna[row] + 1) * LANE - tall, 1.2, tall);
  }
  pen.clearRect(GUTTER + plot, 0, MARGIN * 2, height);
}

function drawStrip() {
  const [pen, wide, height] = fit($("shares"));
  plot = Math.max(50, wide - GUTTER - MARGIN);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "top";
  pen.fillStyle = colours.soft;
  const rows = [["probably where", ROW.axis + 4], ["visits told", ROW.axis + ROW.shares + 8], [`silent ≥ ${about.silence_s} s`, ROW.axis + ROW.shares + ROW.visits]];
  for (const [text, top] of rows) pen.fillText(text, 10, top);
  drawAxis(pen, height);
  drawShares(pen);
  drawVisits(pen);
  drawSilences(pen);
  const [lanes, , deep] = fit($("lanes"));
  lanes.font = "11px system-ui, sans-serif";
  lanes.textBaseline = "top";
  drawLanes(lanes, deep);
}

/** Look at a part of the time about a second that keeps its place on the screen. */
function zoom(factor, about_s) {
  const span = Math.min(about.seconds, Math.max(Math.min(ZOOM_MIN_S, about.seconds), (state.to - state.from) * factor));
  const share = (about_s - state.from) / (state.to - state.from);
  look(about_s - share * span, span);
}
function look(from, span) {
  state.from = Math.max(0, Math.min(about.seconds - span, from));
  state.to = state.from + span;
}
