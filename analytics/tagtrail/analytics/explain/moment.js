// The moment: what is said of it, and how it is chosen.

$("epc").textContent = about.epc;
$("store").textContent = `${about.store}, local time (${about.timezone})`;
for (const sentence of about.words) {
  const paragraph = document.createElement("p");
  paragraph.textContent = sentence;
  $("words").append(paragraph);
}
$("strip").setAttribute("aria-valuemax", last);

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}
const swatches = [];
function swatch(place) {
  const made = element("i", "", "swatch");
  swatches.push([made, place]);
  return made;
}

const countOf = ({ reads, antenna }) => `${reads} ${reads === 1 ? "read" : "reads"}${antenna ? `, most by ${antenna}` : ""}`;
const visitButtons = about.visits.map((visit) => {
  const button = element("button", "");
  button.type = "button";
  const mark = visit.censored ? " ▷" : "";
  const name = element("span", about.places[visit.place] + mark);
  button.append(swatch(visit.place), element("span", clock(visit.enter)), name, element("span", `${Math.round(visit.exit - visit.enter)} s`), element("span", visit.confidence.toFixed(2)));
  button.title = countOf(visit);
  button.addEventListener("click", () => go(middleOf(visit)));
  const item = document.createElement("li");
  item.append(button);
  $("visits").append(item);
  return button;
});
const middleOf = ({ enter, exit }) => Math.floor((Math.max(enter, 0) + Math.min(exit, about.seconds) - 1) / 2);

function legend() {
  const mark = (inner) => `<svg width="22" height="16" viewBox="0 0 22 16">${inner}</svg>`;
  const items = [
    ['<circle cx="11" cy="8" r="6.5" fill="none" stroke="var(--ring)" stroke-width="2.5"/><path d="M11 5 14 11H8z" fill="var(--antenna)"/>', "antenna that read in this second; the larger, the stronger"],
    ['<path d="M3 14v-5M7 14v-11M11 14v-8" stroke="var(--antenna)" stroke-width="1.5"/>', "reads of an antenna; the taller, the stronger"],
    ['<path d="M2 8h18M2 5v6M20 5v6" stroke="var(--soft)" fill="none"/>', "where a visit ends in 90 of 100 cases"],
    ['<path d="M8 2 16 8 8 14z" fill="none" stroke="var(--ink)" stroke-width="1.5"/>', "visit cut off by silence"],
    ['<path d="M2 14 14 2M8 14 20 2" stroke="var(--faint)"/>', "nothing heard"],
    ['<path d="M2 8h18" stroke="var(--wall)" stroke-width="3"/>', "wall"],
  ];
  about.bands.forEach((place) => {
    const item = document.createElement("li");
    item.append(swatch(place), about.places[place]);
    $("legend").append(item);
  });
  for (const [inner, words] of items) {
    const item = document.createElement("li");
    item.innerHTML = mark(inner);
    item.append(words);
    $("legend").append(item);
  }
}

/** What was told of a second, or why nothing was. */
function toldAt(second, step, likeliest) {
  if (step < 0) return "Not heard for so long that what came before and after are told apart; nothing is said of this time.";
  const given = about.bands[data.label[step]] ?? likeliest?.place;
  const index = visitAt(second);
  let text;
  if (index >= 0) {
    const visit = about.visits[index];
    text = `Told: ${about.places[visit.place]}, ${clock(visit.enter)} to ${clock(visit.exit)}, ${Math.round(visit.exit - visit.enter)} s (90 %: ${Math.round(visit.low_s)} to ${Math.round(visit.high_s)} s), confidence ${visit.confidence.toFixed(2)}${visit.censored ? ", cut off by silence" : ""}.`;
    text += ` ${countOf(visit)}${visit.rival ? `; else ${visit.rival}` : ""}.`;
  } else if (given === NO_ZONE) text = "No visit told: probably in no zone.";
  else if (given === OUTSIDE) text = "No visit told: probably outside the store.";
  else text = `No visit told: ${about.places[given]} is likeliest, but before the first or after the last read, or the tag was seen for too short a time.`;
  if (likeliest && given !== likeliest.place) text += ` ${about.places[likeliest.place]} is likelier in this second, but not for long enough to tell a change.`;
  return text;
}

function readsText(second, reads) {
  if (reads.length) {
    return reads.map(({ antenna, dbm, count, ms }) => `${about.antennas[antenna].name}: ${dbm === null ? "no strength" : `${dbm} dBm`}${count > 1 ? ` × ${count}` : ""}, .${String(ms % 1000).padStart(3, "0")}`);
  }
  const { since, until } = silenceAt(second);
  const parts = [since === null ? "not yet read" : `last read ${duration(since)} ago`, until === null ? "never again" : `next in ${duration(until)}`];
  return [`No read: ${parts.join(", ")}`];
}

function drawNow() {
  const second = shown();
  const step = stepAt(second);
  const shares = step < 0 ? [] : sharesAt(step);
  const cells = cellsAt(step);
  const reads = readsAt(second);
  drawFloors(cells, reads);
  $("time").textContent = localTime(second).slice(0, 19).replace("T", " ");
  $("likely").replaceChildren(
    ...shares.slice(0, 5).map(({ place, share }) => {
      const item = document.createElement("li");
      const mark = element("i", "", "swatch");
      mark.style.background = colourOf(place);
      const bar = element("span", "", "bar");
      const fill = element("i", "");
      fill.style.cssText = `width: ${100 * share}%; background: ${colourOf(place)}`;
      bar.append(fill);
      item.append(mark, element("span", about.places[place]), bar, element("span", percent(share)));
      return item;
    }),
  );
  $("told").textContent = toldAt(second, step, shares[0]);
  $("reads").replaceChildren(...readsText(second, reads).map((text) => element("li", text)));
  const visit = visitAt(second);
  visitButtons.forEach((button, index) => {
    const isCurrent = index === visit;
    if (isCurrent && button.getAttribute("aria-current") !== "true") button.scrollIntoView({ block: "nearest" });
    button.setAttribute("aria-current", isCurrent);
  });
  const x = xOf(second + 0.5);
  $("cursor").hidden = x < GUTTER || x > GUTTER + plot;
  $("cursor").style.left = `${x}px`;
  $("strip").setAttribute("aria-valuenow", second);
  $("strip").setAttribute("aria-valuetext", `${clock(second)}${shares.length ? `, ${about.places[shares[0].place]} ${percent(shares[0].share)}` : ", not heard"}`);
  const likeliest = cells.reduce((a, b) => (b.share > a.share ? b : a), { cell: -1, share: 0 });
  Object.assign(document.body.dataset, { second, cells: cells.length, cell: likeliest.cell, rings: new Set(reads.map(({ antenna }) => antenna)).size });
}

let asked = false;
let isStale = true; // the strip must be drawn again, not only the moment
function ask(strip = false) {
  isStale ||= strip;
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    if (isStale) drawStrip();
    isStale = false;
    drawNow();
  });
}

function go(second) {
  state.peek = null;
  state.second = Math.max(0, Math.min(last, second));
  const span = state.to - state.from;
  const isAway = state.second < state.from || state.second >= state.to;
  if (isAway) look(state.second - span / 2, span);
  ask(isAway);
}
function goVisit(step) {
  const second = shown();
  const later = about.visits.filter((visit) => (step > 0 ? visit.enter > second : visit.exit <= second));
  const visit = step > 0 ? later[0] : later.at(-1);
  if (visit) go(middleOf(visit));
}
function zoomed(factor, second) {
  if (factor === 0) look(0, about.seconds);
  else zoom(factor, second);
  ask(true);
}
function dark(on) {
  document.documentElement.classList.toggle("dark", on);
  readColours();
  for (const [mark, place] of swatches) mark.style.background = colourOf(place);
  ask(true);
}
const toggle = () => dark(!document.documentElement.classList.contains("dark"));

const at = (event) => Math.max(0, Math.min(last, secondOf(event.clientX - $("strip").getBoundingClientRect().left - 1)));
const isInPlot = (event) => event.clientX - $("strip").getBoundingClientRect().left >= GUTTER;
let isDragging = false;
$("strip").addEventListener("pointerdown", (event) => {
  if (!isInPlot(event) || event.button !== 0) return;
  isDragging = true;
  go(at(event));
});
$("strip").addEventListener("pointermove", (event) => {
  if (isDragging) return go(at(event));
  state.peek = isInPlot(event) ? at(event) : null;
  ask();
});
addEventListener("pointerup", () => (isDragging = false));
$("strip").addEventListener("pointerleave", () => {
  state.peek = null;
  ask();
});
$("shares").addEventListener("wheel", (event) => {
  event.preventDefault();
  const span = state.to - state.from;
  if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
    look(state.from + ((event.deltaX || event.deltaY) / plot) * span, span);
    ask(true);
  } else zoomed(event.deltaY > 0 ? 1.25 : 0.8, at(event));
}, { passive: false });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = event.shiftKey ? 10 : 1;
  const keys = {
    ArrowLeft: () => go(shown() - step),
    ArrowRight: () => go(shown() + step),
    PageUp: () => go(shown() - 60),
    PageDown: () => go(shown() + 60),
    Home: () => go(0),
    End: () => go(last),
    n: () => goVisit(1),
    p: () => goVisit(-1),
    "+": () => zoomed(0.5, state.second),
    "=": () => zoomed(0.5, state.second),
    "-": () => zoomed(2, state.second),
    0: () => zoomed(0),
    d: toggle,
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});
$("theme").addEventListener("click", toggle);
new ResizeObserver(() => ask(true)).observe($("floors"));
new ResizeObserver(() => ask(true)).observe($("strip"));

legend();
dark(matchMedia("(prefers-color-scheme: dark)").matches);
state.second = about.visits.length ? middleOf(about.visits[0]) : Math.min(last, Math.floor((data.read_ms[0] ?? 0) / 1000));
drawStrip();
drawNow();
document.body.dataset.ready = "";
