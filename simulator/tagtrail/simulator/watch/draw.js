// The floors, the legend, and everything that is drawn on them.

$("store").textContent = about.store;
$("slider").max = last;
for (const speed of SPEEDS) $("speed").add(new Option(`${speed}×`, speed, false, speed === state.speed));

const panels = about.floors.map((floor) => {
  const section = document.createElement("section");
  section.className = "floor";
  const title = document.createElement("h2");
  const number = document.createElement("span");
  title.append(floor.name, number);
  const box = document.createElement("div");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  box.append(canvas);
  section.append(title, box);
  $("floors").append(section);
  return { canvas, number, pen: canvas.getContext("2d"), scale: 1, left: 0, top: 0 };
});

const rows = [];
about.floors.forEach((floor, index) => {
  const head = $("zones").insertRow();
  head.className = "floor-name";
  head.insertCell().textContent = floor.name;
  about.zones.forEach((zone, number) => {
    if (zone.floor !== index) return;
    const row = $("zones").insertRow();
    row.dataset.zone = zone.name;
    row.insertCell().textContent = zone.name;
    const cells = [row.insertCell(), row.insertCell()];
    cells[1].className = "seen";
    rows[number] = cells;
  });
});

function legend() {
  const mark = (inner) => `<svg width="22" height="14" viewBox="0 0 22 14">${inner}</svg>`;
  const used = new Set(about.people.kind.map((_, person) => colourOf(person)));
  const items = Object.entries(ERRANDS)
    .filter(([name]) => used.has(name))
    .map(([name, words]) => [mark(`<circle cx="11" cy="7" r="4.5" fill="var(--${name})"/>`), words]);
  if (used.has("staff")) items.push([mark('<rect x="7" y="3" width="8" height="8" fill="var(--staff)"/>'), "staff"]);
  items.push([mark('<path d="M3 7h16" stroke="var(--soft)"/><circle cx="3" cy="7" r="3" fill="var(--soft)"/><circle cx="19" cy="7" r="3" fill="var(--soft)"/>'), "group that came together"]);
  if (hasSeen) {
    items.push([mark('<circle cx="11" cy="7" r="4" fill="none" stroke="var(--errands)" stroke-width="2"/>'), "tag, beside the antenna that read it best"]);
    items.push([mark('<circle cx="11" cy="7" r="4" fill="none" stroke="var(--nobody)" stroke-width="2"/>'), "tag that no person carries"]);
    items.push([mark('<path d="M3 12 19 2" stroke="var(--soft)" stroke-dasharray="3 2"/>'), "from a person to where it is seen"]);
  }
  items.push([mark('<path d="M11 2.5 16 11.5H6z" fill="var(--antenna)"/>'), hasSeen ? "antenna; it flashes when it reads" : "antenna"]);
  items.push([mark('<path d="M2 7h18" stroke="var(--wall)" stroke-width="3"/>'), "wall"]);
  for (const [svg, words] of items) {
    const item = document.createElement("li");
    item.innerHTML = svg;
    item.append(words);
    $("legend").append(item);
  }
}

let colours = {};
function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["card", "ink", "soft", "faint", "line", "wall", "tint", "antenna", "flash", "errands", "browse", "pass", "staff", "nobody"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
}

function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { width, height } = canvas.getBoundingClientRect();
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  return [width, height];
}

const point = (panel, px, py) => [panel.left + px * panel.scale, panel.top - py * panel.scale];

function trace(panel, corners, close) {
  panel.pen.beginPath();
  corners.forEach(([px, py], index) => panel.pen[index ? "lineTo" : "moveTo"](...point(panel, px, py)));
  if (close) panel.pen.closePath();
}

/** A place for a name: the upper left corner of the largest part of a zone; antennas hang in the middle. */
const labelPlaces = about.zones.map(({ polygon }) => {
  const levels = [...new Set(polygon.map((corner) => corner[1]))].sort((a, b) => a - b);
  let best = { size: -1 };
  for (let level = 0; level + 1 < levels.length; level++) {
    const middle = (levels[level] + levels[level + 1]) / 2;
    const cuts = [];
    polygon.forEach(([x0, y0], index) => {
      const [x1, y1] = polygon[(index + 1) % polygon.length];
      if (y0 > middle !== y1 > middle) cuts.push(x0 + ((middle - y0) / (y1 - y0)) * (x1 - x0));
    });
    cuts.sort((a, b) => a - b);
    for (let cut = 0; cut + 1 < cuts.length; cut += 2) {
      const width = cuts[cut + 1] - cuts[cut];
      const size = width * (levels[level + 1] - levels[level]);
      if (size > best.size) best = { size, x: cuts[cut], top: levels[level + 1], width };
    }
  }
  return best;
});

function lines(pen, text, width) {
  const made = [];
  for (const word of text.split(" ")) {
    const longer = made.length ? `${made.at(-1)} ${word}` : word;
    if (made.length && pen.measureText(longer).width <= width) made[made.length - 1] = longer;
    else made.push(word);
  }
  return made;
}

function drawFloor(panel, index, counts) {
  const { pen } = panel;
  const floor = about.floors[index];
  const [width, height] = fit(panel.canvas);
  panel.scale = Math.max(0.1, Math.min((width - 8) / floor.width, (height - 8) / floor.depth));
  panel.left = (width - floor.width * panel.scale) / 2;
  panel.top = (height + floor.depth * panel.scale) / 2;
  pen.clearRect(0, 0, width, height);
  const most = Math.max(10, ...counts);
  about.zones.forEach((zone, number) => {
    if (zone.floor !== index) return;
    trace(panel, zone.polygon, true);
    pen.fillStyle = `rgba(${colours.tint}, ${0.04 + 0.34 * (counts[number] / most)})`;
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colours.faint;
    pen.stroke();
  });
  pen.lineWidth = 2;
  pen.strokeStyle = colours.wall;
  pen.strokeRect(...point(panel, 0, floor.depth), floor.width * panel.scale, floor.depth * panel.scale);
  pen.lineWidth = 3.5;
  pen.lineCap = "round";
  for (const wall of floor.walls) {
    trace(panel, wall, false);
    pen.stroke();
  }
  pen.textBaseline = "top";
  pen.lineJoin = "round";
  about.zones.forEach((zone, number) => {
    if (zone.floor !== index) return;
    const place = labelPlaces[number];
    const [left, top] = point(panel, place.x, place.top);
    pen.font = "11px system-ui, sans-serif";
    const room = place.width * panel.scale - 8;
    const words = lines(pen, zone.name, room).filter((_line, _row, all) => all.every((one) => pen.measureText(one).width <= room));
    words.forEach((line, row) => write(pen, line, left + 5, top + 4 + 12 * row, colours.soft));
    pen.font = "600 13px system-ui, sans-serif";
    write(pen, counts[number], left + 5, top + 4 + 12 * words.length, counts[number] ? colours.ink : colours.faint);
  });
}

/** Text that can be read on anything. */
function write(pen, text, left, top, colour) {
  pen.lineWidth = 3;
  pen.strokeStyle = colours.card;
  pen.globalAlpha = 0.6;
  pen.strokeText(text, left, top);
  pen.globalAlpha = 1;
  pen.fillStyle = colour;
  pen.fillText(text, left, top);
}

function drawAntennas(second) {
  about.antennas.forEach((antenna, number) => {
    const panel = panels[antenna.floor];
    const { pen } = panel;
    const [cx, cy] = point(panel, antenna.x, antenna.y);
    const reads = hasSeen && state.view !== "true" ? data.reads[number * about.seconds + second] : 0;
    if (reads) {
      pen.beginPath();
      pen.arc(cx, cy, 7 + 3 * Math.log2(1 + reads), 0, 7);
      pen.fillStyle = `rgba(${colours.flash}, ${Math.min(0.38, 0.12 + reads / 200)})`;
      pen.fill();
    }
    pen.beginPath();
    pen.moveTo(cx, cy - 5);
    pen.lineTo(cx + 5, cy + 4);
    pen.lineTo(cx - 5, cy + 4);
    pen.closePath();
    pen.fillStyle = colours.antenna;
    pen.fill();
  });
}

function drawPeople(people) {
  const groups = new Map();
  for (const one of people) {
    const group = about.people.group[one.person];
    if (groupSize.get(group) > 1) (groups.get(group) ?? groups.set(group, []).get(group)).push(one);
  }
  for (const members of groups.values()) {
    for (let index = 1; index < members.length; index++) {
      const [one, other] = [members[index - 1], members[index]];
      if (one.floor !== other.floor) continue;
      const panel = panels[one.floor];
      panel.pen.beginPath();
      panel.pen.moveTo(...point(panel, one.x, one.y));
      panel.pen.lineTo(...point(panel, other.x, other.y));
      panel.pen.lineWidth = 1.5;
      panel.pen.strokeStyle = colours.soft;
      panel.pen.stroke();
    }
  }
  for (const one of people) {
    const panel = panels[one.floor];
    const { pen } = panel;
    const [cx, cy] = point(panel, one.x, one.y);
    const colour = colourOf(one.person);
    pen.beginPath();
    if (colour === "staff") pen.rect(cx - 4, cy - 4, 8, 8);
    else pen.arc(cx, cy, 4.2, 0, 7);
    pen.fillStyle = colours[colour];
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = colours.card;
    pen.stroke();
  }
}

/** Tags around their antennas, as seeds in a sunflower: the one that was read last is the innermost. */
function placeTags(tags) {
  const around = new Map();
  for (const tag of tags) (around.get(tag.antenna) ?? around.set(tag.antenna, []).get(tag.antenna)).push(tag);
  for (const [number, here] of around) {
    const antenna = about.antennas[number];
    const panel = panels[antenna.floor];
    const [cx, cy] = point(panel, antenna.x, antenna.y);
    here.forEach((tag, index) => {
      const radius = 8 + 5.2 * Math.sqrt(index);
      const angle = 2.39996 * index;
      Object.assign(tag, { floor: antenna.floor, px: cx + radius * Math.cos(angle), py: cy + radius * Math.sin(angle) });
    });
  }
}

function drawTags(tags) {
  for (const tag of tags) {
    const { pen } = panels[tag.floor];
    pen.globalAlpha = 1 - 0.85 * (tag.age / FADE_S);
    pen.beginPath();
    pen.arc(tag.px, tag.py, 3.4, 0, 7);
    pen.lineWidth = 1.8;
    pen.strokeStyle = colours[colourOf(tag.owner)];
    pen.stroke();
    pen.globalAlpha = 1;
  }
}

function drawLinks(people, tags) {
  const where = new Map(people.map((one) => [one.person, one]));
  for (const tag of tags) {
    const one = where.get(tag.owner);
    if (!one || one.floor !== tag.floor) continue;
    const panel = panels[one.floor];
    const { pen } = panel;
    pen.beginPath();
    pen.moveTo(...point(panel, one.x, one.y));
    pen.lineTo(tag.px, tag.py);
    pen.setLineDash([3, 3]);
    pen.lineWidth = state.picked === one.person ? 2 : 0.7;
    pen.strokeStyle = state.picked === one.person ? colours.ink : colours.soft;
    pen.globalAlpha = state.picked === one.person ? 1 : 0.45;
    pen.stroke();
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }
}

function drawPicked(people) {
  const one = people.find(({ person }) => person === state.picked);
  if (!one) return;
  const panel = panels[one.floor];
  panel.pen.beginPath();
  panel.pen.arc(...point(panel, one.x, one.y), 9, 0, 7);
  panel.pen.lineWidth = 2;
  panel.pen.strokeStyle = colours.ink;
  panel.pen.stroke();
}

function drawCrowd() {
  const canvas = $("crowd");
  const [width, height] = fit(canvas);
  const pen = canvas.getContext("2d");
  pen.clearRect(0, 0, width, height);
  const most = crowd.reduce((a, b) => Math.max(a, b), 1);
  const edge = 8; // half of the slider's thumb
  pen.beginPath();
  pen.moveTo(edge, height);
  for (let px = 0; px <= width - 2 * edge; px++) {
    pen.lineTo(edge + px, height - (height - 4) * (crowd[Math.round((px / (width - 2 * edge)) * last)] / most));
  }
  pen.lineTo(width - edge, height);
  pen.fillStyle = `rgba(${colours.tint}, 0.3)`;
  pen.fill();
  const at = edge + (last ? state.time / last : 0) * (width - 2 * edge);
  pen.fillStyle = colours.ink;
  pen.fillRect(at - 0.5, 0, 1, height);
}
