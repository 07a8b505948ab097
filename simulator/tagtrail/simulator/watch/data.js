// What the page plays: columns as they were packed, and who and what is where at a time. The files are one module.

const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);
const FADE_S = 20; // so long after its last read a tag is still shown where it was seen
const SPEEDS = [1, 2, 5, 10, 30, 60, 120];
const ERRANDS = { errands: "shopper with errands", browse: "shopper who browses", pass: "shopper passing through" };

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

/** Metres from steps; the sign of a step is its last bit, and a track begins with its place. */
function places(steps, lengths) {
  const metres = new Float32Array(steps.length);
  let row = 0;
  for (const length of lengths) {
    let units = 0;
    for (let end = row + length; row < end; row++) {
      units += steps[row] & 1 ? -(steps[row] >>> 1) - 1 : steps[row] >>> 1;
      metres[row] = units * about.unit_m;
    }
  }
  return metres;
}

let data;
try {
  data = await unpack();
} catch (error) {
  $("fault").hidden = false;
  $("fault").textContent = `This browser cannot read the page's data (${error}). Firefox 113, Chrome 80, Safari 16.4 and later can.`;
  throw error;
}
const x = places(data.x, data.track_length);
const y = places(data.y, data.track_length);
const firstRow = new Uint32Array(data.track_length.length + 1);
data.track_length.forEach((length, track) => (firstRow[track + 1] = firstRow[track] + length));
const hasSeen = about.owners !== null;
const firstSeen = new Uint32Array(hasSeen ? about.owners.length + 1 : 1);
if (hasSeen) {
  data.seen_tag.forEach((tag) => firstSeen[tag + 1]++);
  firstSeen.forEach((_, tag) => tag && (firstSeen[tag] += firstSeen[tag - 1]));
}
const groupSize = new Map();
about.people.group.forEach((group) => groupSize.set(group, (groupSize.get(group) ?? 0) + 1));
const colourOf = (person) =>
  person < 0 ? "nobody" : about.people.kind[person] === "staff" ? "staff" : about.people.errand[person] in ERRANDS ? about.people.errand[person] : "errands";

const crowd = new Uint16Array(about.seconds);
data.track_start.forEach((start, track) => {
  for (let second = start; second < start + data.track_length[track]; second++) crowd[second]++;
});

const state = { time: 0, playing: false, speed: 10, view: hasSeen ? "both" : "true", picked: null, pointer: null };
const last = about.seconds - 1;

/** Everybody who is there now: person, floor, place, zone. */
function peopleAt(time) {
  const second = Math.floor(time);
  const people = [];
  for (let track = 0; track < data.track_start.length; track++) {
    const at = second - data.track_start[track];
    if (at < 0 || at >= data.track_length[track]) continue;
    const row = firstRow[track] + at;
    const next = at + 1 < data.track_length[track] ? row + 1 : row;
    const share = time - second;
    people.push({
      person: data.track_person[track],
      floor: data.track_floor[track],
      x: x[row] + (x[next] - x[row]) * share,
      y: y[row] + (y[next] - y[row]) * share,
      zone: data.zone[row] - 1,
    });
  }
  return people;
}

/** Every tag that was read lately: its owner, the antenna, and how long ago. */
function tagsAt(time) {
  const tags = [];
  if (!hasSeen) return tags;
  for (let tag = 0; tag < about.owners.length; tag++) {
    let low = firstSeen[tag];
    let high = firstSeen[tag + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.seen_first[middle] <= time) low = middle + 1;
      else high = middle;
    }
    const row = low - 1;
    if (row < firstSeen[tag]) continue;
    const age = Math.max(0, time - data.seen_last[row] - 1);
    if (age <= FADE_S) tags.push({ tag, owner: about.owners[tag], antenna: data.seen_antenna[row], age });
  }
  return tags;
}
