// The pointer, the clock and the controls.

function nearest(people, tags) {
  const { panel, px, py } = state.pointer;
  const from = (ax, ay) => Math.hypot(ax - px, ay - py);
  const marks = [];
  if (state.view !== "seen") for (const one of people) if (one.floor === panel) marks.push([from(...point(panels[panel], one.x, one.y)), one.person, null]);
  if (state.view !== "true") for (const tag of tags) if (tag.floor === panel) marks.push([from(tag.px, tag.py), tag.owner, tag]);
  marks.sort((a, b) => a[0] - b[0]);
  return marks.length && marks[0][0] < 12 ? marks[0] : null;
}

function showTip(people, tags) {
  const found = state.pointer && nearest(people, tags);
  state.picked = found && found[1] >= 0 ? found[1] : null;
  $("tip").hidden = !found;
  if (!found) return;
  const [, person, tag] = found;
  const text = [];
  if (person >= 0) {
    const { number, kind, errand, group } = about.people;
    text.push(`Person ${number[person]}: ${kind[person] === "staff" ? "staff" : ERRANDS[errand[person]] ?? kind[person]}`);
    if (groupSize.get(group[person]) > 1) text.push(`in a group of ${groupSize.get(group[person])}`);
    const there = people.find((one) => one.person === person);
    text.push(there ? `is in ${there.zone < 0 ? "no zone" : about.zones[there.zone].name}` : "is not in the store");
  } else {
    text.push("A tag that no person carries");
  }
  const mine = tag ? [tag] : tags.filter((one) => one.owner === person);
  for (const one of mine) text.push(`read by ${about.antennas[one.antenna].name}${one.age > 0 ? `, ${one.age.toFixed(0)} s ago` : ""}`);
  if (hasSeen && !mine.length) text.push(`not read for ${FADE_S} s`);
  $("tip").textContent = text.join("\n");
  $("tip").style.left = `${Math.min(state.pointer.x + 14, innerWidth - 260)}px`;
  $("tip").style.top = `${Math.min(state.pointer.y + 14, innerHeight - 110)}px`;
}

const count = (number) => `${number} ${number === 1 ? "person" : "people"}`;
const setText = (element, text) => element.textContent !== text && (element.textContent = text);

function draw() {
  const second = Math.floor(state.time);
  const people = peopleAt(state.time);
  const tags = tagsAt(state.time);
  const counts = about.zones.map(() => 0);
  const seen = about.zones.map(() => 0);
  const onFloor = about.floors.map(() => 0);
  for (const one of people) {
    onFloor[one.floor]++;
    if (one.zone >= 0) counts[one.zone]++;
  }
  for (const tag of tags) if (about.antennas[tag.antenna].zone >= 0) seen[about.antennas[tag.antenna].zone]++;
  panels.forEach((panel, index) => {
    drawFloor(panel, index, counts);
    setText(panel.number, count(onFloor[index]));
    panel.canvas.setAttribute("aria-label", `${about.floors[index].name}: ${count(onFloor[index])}`);
  });
  drawAntennas(second);
  placeTags(tags);
  showTip(people, tags);
  if (state.view === "both") drawLinks(people, tags);
  if (state.view !== "true") drawTags(tags);
  if (state.view !== "seen") drawPeople(people);
  if (state.view !== "seen") drawPicked(people);
  drawCrowd();
  rows.forEach(([real, found], number) => {
    setText(real, String(counts[number]));
    real.className = counts[number] ? "" : "none";
    setText(found, String(seen[number]));
  });
  const local = new Date(about.start_ms + about.offset_ms + second * 1000).toISOString();
  setText($("clock"), `${local.slice(0, 10)} ${local.slice(11, 19)}`);
  setText($("inside"), `${count(people.length)} inside${hasSeen ? ` · ${tags.length} tags seen` : ""}`);
  if (document.activeElement !== $("slider") || Number($("slider").value) !== second) $("slider").value = second;
  $("slider").setAttribute("aria-valuetext", local.slice(11, 19));
  Object.assign(document.body.dataset, { time: second, people: people.length, tags: tags.length });
}

let asked = false;
let drawnAt = null;
function frame(now) {
  asked = false;
  if (state.playing && drawnAt !== null) {
    state.time = Math.min(last, state.time + (Math.min(now - drawnAt, 250) / 1000) * state.speed);
    if (state.time >= last) play(false);
  }
  drawnAt = state.playing ? now : null;
  draw();
  if (state.playing) ask();
}
function ask() {
  if (!asked) {
    asked = true;
    requestAnimationFrame(frame);
  }
}

function play(on) {
  if (on && state.time >= last) state.time = 0;
  state.playing = on;
  $("play").textContent = on ? "Pause" : "Play";
  ask();
}
function go(time) {
  state.time = Math.max(0, Math.min(last, time));
  ask();
}
function show(view) {
  if (view !== "true" && !hasSeen) return;
  state.view = view;
  for (const button of document.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", button.dataset.view === view);
    button.disabled = button.dataset.view !== "true" && !hasSeen;
  }
  ask();
}
function dark(on) {
  document.documentElement.classList.toggle("dark", on);
  readColours();
  ask();
}
function faster(step) {
  const index = SPEEDS.indexOf(state.speed) + step;
  state.speed = SPEEDS[Math.max(0, Math.min(SPEEDS.length - 1, index))];
  $("speed").value = state.speed;
}

$("play").addEventListener("click", () => play(!state.playing));
$("slider").addEventListener("input", () => go(Number($("slider").value)));
$("speed").addEventListener("change", () => (state.speed = Number($("speed").value)));
$("theme").addEventListener("click", () => dark(!document.documentElement.classList.contains("dark")));
for (const button of document.querySelectorAll("[data-view]")) button.addEventListener("click", () => show(button.dataset.view));
panels.forEach(({ canvas }, panel) => {
  canvas.addEventListener("pointermove", (event) => {
    state.pointer = { panel, px: event.offsetX, py: event.offsetY, x: event.clientX, y: event.clientY };
    ask();
  });
  canvas.addEventListener("pointerleave", () => {
    state.pointer = null;
    ask();
  });
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 60 : 10;
  const keys = {
    " ": () => play(!state.playing),
    ArrowLeft: () => go(state.time - step),
    ArrowRight: () => go(state.time + step),
    Home: () => go(0),
    End: () => go(last),
    "+": () => faster(1),
    "=": () => faster(1),
    "-": () => faster(-1),
    1: () => show("true"),
    2: () => show("seen"),
    3: () => show("both"),
    d: () => dark(!document.documentElement.classList.contains("dark")),
  };
  const key = keys[event.key];
  if (!key || event.target === $("speed") || (event.key === " " && event.target.tagName === "BUTTON")) return;
  event.preventDefault();
  key();
});
new ResizeObserver(ask).observe($("floors"));

if (hasSeen) document.body.dataset.seen = "";
legend();
dark(matchMedia("(prefers-color-scheme: dark)").matches);
show(state.view);
draw();
document.body.dataset.ready = "";
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play(true);
