// What the page shows: columns as they were packed, and what is known of a second. The files are one module.

const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);

async function unpack() {
  const text = atob($("data").textContent);
  $("data").textContent = "";
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const types = { Uint8Array, Uint16Array, Uint32Array };
  const columns = {};
  for (const [name, [type, at, length]] of Object.entries(about.columns)) {
    columns[name] = new types[type](buffer, at, length);
  }
  return columns;
}

let data;
try {
  data = await unpack();
} catch (error) {
  $("fault").hidden = false;
  $("fault").textContent = `This browser cannot read the page's data (${error}). Firefox 113, Chrome 111, Safari 16.4 and later can.`;
  throw error;
}

const width = about.bands.length;
const NO_ZONE = about.places.length - 2;
const OUTSIDE = about.places.length - 1;
let steps = 0;
for (const passage of about.passages) {
  passage.first = steps; // its first second among those of all passages
  steps += passage.seconds;
}
const firstCell = new Uint32Array(steps + 1);
data.cells_of_second.forEach((size, step) => (firstCell[step + 1] = firstCell[step] + size));

/** Place of a second among those of all passages, -1 between them. */
function stepAt(second) {
  const passage = about.passages.find(({ start, seconds }) => second >= start && second < start + seconds);
  return passage ? passage.first + second - passage.start : -1;
}

/** The first read that is not before a time. */
function readFrom(ms) {
  let low = 0;
  let high = data.read_ms.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (data.read_ms[middle] < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The reads of a second: antenna in the store file, dBm or null, how many. */
function readsAt(second) {
  const reads = [];
  for (let row = readFrom(second * 1000); row < data.read_ms.length && data.read_ms[row] < (second + 1) * 1000; row++) {
    reads.push({ ms: data.read_ms[row], antenna: about.heard[data.read_antenna[row]], dbm: dbmOf(row), count: data.read_count[row] });
  }
  return reads;
}
const dbmOf = (row) => (data.read_dbm[row] === 255 ? null : data.read_dbm[row] - 150);

/** Seconds since the last read and until the next one; null where there is none. */
function silenceAt(second) {
  const next = readFrom((second + 1) * 1000);
  const before = readFrom(second * 1000) - 1;
  return {
    since: before < 0 ? null : Math.ceil(second + 1 - data.read_ms[before] / 1000),
    until: next >= data.read_ms.length ? null : Math.ceil(data.read_ms[next] / 1000 - second),
  };
}

/** Where the tag may be in a second, the likeliest first: place and share. */
function sharesAt(step) {
  return about.bands
    .map((place, band) => ({ place, band, share: data.shares[step * width + band] / about.parts }))
    .filter(({ share }) => share >= 0.005)
    .sort((a, b) => b.share - a.share);
}

const visitAt = (second) => about.visits.findIndex(({ enter, exit }) => second >= enter && second < exit);

function localTime(second) {
  let offset = about.offsets[0][1];
  for (const [from, value] of about.offsets) if (second >= from) offset = value;
  return new Date(about.start_ms + (second + offset) * 1000).toISOString();
}
const clock = (second) => localTime(second).slice(11, 19);

function duration(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole % 60 ? ` ${whole % 60} s` : ""}`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const state = { second: 0, peek: null, from: 0, to: about.seconds };
const last = about.seconds - 1;
const shown = () => state.peek ?? state.second;
