// The floor page: asks the API every second for who is where, every few seconds for the day, and shows it.

import { cards } from "./cards.js";
import { drawChart } from "./chart.js";
import { ask, poll } from "./client.js";
import { byId, h, setText, swap } from "./dom.js";
import { FloorPlan } from "./floor.js";
import { kindName } from "./kinds.js";
import { legend } from "./legend.js";
import { METRICS } from "./metrics.js";
import { nextSteps, panel } from "./panel.js";
import { notice, showStatus } from "./status.js";
import { Counters, Flows } from "./tables.js";
import { count, plural } from "./text.js";

const LIVE_MS = 1000;
const DAY_MS = 4000;
const STORES_MS = 3000;
/** After so long without an answer the last one is no longer shown as what is. */
const FORGET_MS = 30_000;

const wanted = new URLSearchParams(location.search);
const view = { store: wanted.get("store"), floor: wanted.get("floor"), zone: wanted.get("zone"), metric: wanted.get("metric") };
if (!(view.metric in METRICS)) view.metric = "now";

let layout = null;
let live = null;
let liveAt = 0;
let day = null;
let detail = null;
let failure = null;
let charted = false;
let tops = {};
let zones = new Map();
let names = new Map();

const nameOf = (zone) => names.get(zone) ?? zone;
const plan = new FloorPlan(byId("stage"), { select, hover, leave: hideTip });
const flows = new Flows(byId("flows"), select);
const counters = new Counters(byId("counters"), select);

// What is asked

const storePath = (rest) => (view.store && (layout || rest === "layout") ? `/api/store/${encodeURIComponent(view.store)}/${rest}` : null);
const askLayout = poll(STORES_MS, () => (view.store && !layout ? storePath("layout") : null), gotLayout, failed);
const askLive = poll(LIVE_MS, () => storePath("live"), gotLive, failed);
const askDay = poll(DAY_MS, () => storePath("today"), gotDay, () => {});
const askZone = poll(DAY_MS, () => (view.zone ? storePath(`zone/${encodeURIComponent(view.zone)}`) : null), gotZone, () => {});
const askStores = poll(STORES_MS, () => (layout && view.listed ? null : "/api/stores"), gotStores, failed);
setInterval(() => {
  if (live && failure && performance.now() - liveAt > FORGET_MS) forget();
  if (live || failure) showStatus(live, liveAt, failure);
}, 1000);

function failed(found) {
  failure = found;
  showStatus(live, liveAt, failure);
}

function gotStores({ stores, default: first }) {
  failure = null;
  if (!stores.length) {
    notice("There is no store yet. Add one: tagtrail store add store.toml");
    return;
  }
  view.listed = true;
  view.store ??= first;
  const choice = byId("store-choice");
  choice.hidden = stores.length < 2;
  byId("store-name").hidden = stores.length > 1;
  choice.replaceChildren(...stores.map(({ id, name }) => h("option", { value: id, selected: id === view.store }, name)));
  choice.onchange = () => {
    Object.assign(view, { store: choice.value, floor: null, zone: null });
    layout = live = day = detail = null;
    tops = {};
    showPanel();
    keepAddress();
    askLayout();
  };
  if (!layout) askLayout();
}

function gotLayout(found) {
  const first = layout === null;
  layout = found;
  failure = null;
  zones = new Map(layout.zones.map((zone) => [zone.id, zone]));
  names = distinctNames(layout);
  document.title = `${layout.store.name} · Tagtrail`;
  setText(byId("store-name"), layout.store.name);
  if (!zones.has(view.zone)) view.zone = null;
  view.floor = zones.get(view.zone)?.floor ?? view.floor;
  plan.draw(layout);
  showFloor(view.floor);
  showMetrics();
  showPanel();
  if (first) for (const again of [askLive, askDay, askZone]) again();
}

function gotLive(found) {
  [live, liveAt, failure] = [found, performance.now(), null];
  showStatus(live, liveAt, failure);
  if (live.layout_id !== layout.layout_id) {
    ask(storePath("layout")).then(gotLayout, failed);
    return;
  }
  showNumbers();
  if (view.zone) showPanel();
}

async function gotDay(found) {
  day = found;
  showNumbers();
  flows.update(day, layout, nameOf);
  counters.update(day, layout, nameOf);
  try {
    await drawChart(byId("chart"), day);
    charted = true;
  } catch (error) {
    setText(byId("chart"), "The chart cannot be drawn.");
    console.warn(error.message);
    charted = true;
  }
  ready();
}

function gotZone(found) {
  detail = found;
  showPanel();
}

/** Names by zone; where two zones have the same (a lift on each floor), with the floor. */
function distinctNames({ zones: list, floors }) {
  const floorNames = new Map(floors.map(({ id, name }) => [id, name]));
  const times = new Map();
  for (const { name } of list) times.set(name, (times.get(name) ?? 0) + 1);
  return new Map(list.map(({ id, name, floor }) => [id, times.get(name) > 1 ? `${name} (${floorNames.get(floor)})` : name]));
}

/** The server has been away for so long that nothing of the floor is known. */
function forget() {
  live = { ...live, inside: null, zones: {}, floors: Object.fromEntries(Object.keys(live.floors).map((id) => [id, null])) };
  showNumbers();
}

function ready() {
  if (layout && live && charted) document.body.dataset.ready = "";
}

// What is shown

function showNumbers() {
  const metric = METRICS[view.metric];
  const most = Math.max(0, ...layout.zones.map((zone) => metric.of({ live, day }, zone.id) ?? 0));
  // A scale that followed every move would change the colour of zones where nothing happens: it only grows.
  const top = (tops[view.metric] = Math.max(tops[view.metric] ?? 0, metric.roundUp(most)));
  plan.paint(metric, { live, day }, top);
  if (live) plan.showReaders(live.readers);
  swap(byId("legend"), legend(metric, top, layout));
  if (day) swap(byId("cards"), cards(day, live, nameOf));
  for (const badge of byId("floors").querySelectorAll("b")) setText(badge, count(live?.floors[badge.dataset.floor]));
  ready();
}

function showFloor(floor) {
  plan.show(floor);
  view.floor = plan.shown;
  const tab = ({ id, name }) =>
    h(
      "button",
      { type: "button", role: "tab", "data-floor": id, "aria-selected": String(id === view.floor), onclick: () => (showFloor(id), keepAddress()) },
      name,
      h("b", { "data-floor": id, title: "people now" }, count(live?.floors[id])),
    );
  swap(byId("floors"), layout.floors.map(tab));
}

function showMetrics() {
  const choice = ([id, { label }]) =>
    h("button", { type: "button", "data-metric": id, "aria-pressed": String(id === view.metric), onclick: () => choose(id) }, label);
  const choose = (id) => {
    view.metric = id;
    keepAddress();
    showMetrics();
    showNumbers();
  };
  swap(byId("metrics"), Object.entries(METRICS).map(choice));
}

function select(zone) {
  if (zone === view.zone) zone = null; // a second click closes
  view.zone = zone;
  detail = null;
  hideTip();
  if (zone && zones.get(zone).floor !== view.floor) showFloor(zones.get(zone).floor);
  keepAddress();
  showPanel();
  if (zone) askZone();
}

function showPanel() {
  const zone = zones.get(view.zone);
  const known = detail?.zone === view.zone ? detail : null;
  const box = byId("panel");
  byId("overview").hidden = Boolean(zone);
  box.hidden = !zone;
  if (layout) plan.choose(zone ? zone.id : null, known ? nextSteps(known) : []);
  if (!zone) return;
  box.setAttribute("aria-label", zone.name);
  box.dataset.zone = zone.id;
  swap(box, panel(zone, layout, live, known, { close: () => select(null), select, nameOf }));
}

function hover(zone, event) {
  const metric = METRICS[view.metric];
  const tip = byId("tip");
  const lines = [kindName(zone.kind), metric.inWords(metric.of({ live, day }, zone.id))];
  const visitors = day?.zones[zone.id]?.visitors;
  if (view.metric !== "visitors" && visitors !== undefined) lines.push(plural(visitors, "visitor today", "visitors today"));
  const online = new Map(live?.readers.map((reader) => [reader.id, reader.online]));
  for (const { reader, port } of plan.antennasOver(zone.id)) {
    lines.push(`Reader ${reader}, antenna ${port}${online.get(reader) === false ? ": offline" : ""}`);
  }
  tip.replaceChildren(h("strong", {}, zone.name), ...lines.map((line) => h("span", {}, line)));
  tip.hidden = false;
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 8)}px`;
}

function hideTip() {
  byId("tip").hidden = true;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && view.zone) select(null);
});

/** The address says what is shown, so that it can be sent to somebody. */
function keepAddress() {
  const parts = { store: view.listed && byId("store-choice").hidden ? null : view.store, floor: view.floor, metric: view.metric === "now" ? null : view.metric, zone: view.zone };
  const query = new URLSearchParams(Object.entries(parts).filter(([, value]) => value)).toString();
  history.replaceState(null, "", query ? `?${query}` : location.pathname);
}

askStores();
