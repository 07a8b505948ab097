// The floor plan: one SVG per floor, drawn in pixels from the layout, y turned upside down.

import { h, s, setText } from "./dom.js";
import { contains, pathOf } from "./geometry.js";
import { glyph, kindName } from "./kinds.js";
import { placeLabel } from "./labels.js";
import { paint } from "./scale.js";

const MARGIN = 10;
/** How far an arrow reaches into the zones that it connects. */
const REACH = 9;

export class FloorPlan {
  /** @param stage element to draw into; `select(zone)`, `hover(zone, event)`, `leave()` are called back. */
  constructor(stage, { select, hover, leave }) {
    this.stage = stage;
    this.select = select;
    this.hover = hover;
    this.leave = leave;
    this.zones = new Map();
    this.floors = new Map();
    this.shown = null;
    new ResizeObserver(() => this.layout && this.stage.clientWidth && this.redraw()).observe(stage);
  }

  draw(layout) {
    this.layout = layout;
    const across = (key) => Math.max(...layout.floors.map((floor) => floor[key]));
    [this.width_m, this.depth_m] = [across("width_m"), across("depth_m")];
    this.stage.style.setProperty("--shape", `${this.width_m} / ${this.depth_m}`);
    this.redraw();
  }

  redraw() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    const size = `${width} ${height}`; // drawing nothing twice ends the observer's rounds
    if (this.drawn === this.layout && (this.size === size || matchMedia("print").matches)) return; // paper only scales
    [this.drawn, this.size] = [this.layout, size];
    this.scale = Math.max(1, Math.min((width - 2 * MARGIN) / this.width_m, (height - 2 * MARGIN) / this.depth_m));
    this.zones.clear();
    this.floors.clear();
    this.stage.replaceChildren(hatch(), ...this.layout.floors.map((floor) => this.floor(floor)));
    this.show(this.shown ?? this.layout.floors[0]?.id);
    if (this.painted) this.paint(...this.painted);
    if (this.health) this.showReaders(this.health);
    this.choose(this.chosen ?? null, this.steps ?? []);
  }

  floor(floor) {
    const k = this.scale;
    const at = ([x, y]) => [MARGIN + x * k, MARGIN + (floor.depth_m - y) * k];
    const [width, height] = [floor.width_m * k + 2 * MARGIN, floor.depth_m * k + 2 * MARGIN];
    const of = (list) => list.filter((item) => item.floor === floor.id);
    const antennas = of(this.layout.antennas).map((antenna) => ({ ...antenna, at: at(antenna.position_m) }));
    const edge = [[0, 0], [floor.width_m, 0], [floor.width_m, floor.depth_m], [0, floor.depth_m]].map(at);
    const over = s("g", { class: "over" });
    const drawing = s(
      "svg",
      { width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `Floor plan, ${floor.name}` },
      s("path", { class: "ground", d: pathOf(edge, true) }),
      s("g", {}, ...of(this.layout.zones).map((zone) => this.zone(zone, zone.polygon.map(at), antennas))),
      s("path", { class: "outline", d: pathOf(edge, true) }),
      ...of(this.layout.walls).map((wall) => s("path", { class: "wall", d: pathOf(wall.line.map(at), false) })),
      s("g", {}, ...antennas.map(antennaMark)),
      over,
    );
    const box = h("div", { class: "floor", "data-floor": floor.id, role: "tabpanel", "aria-label": floor.name }, h("h3", {}, floor.name), drawing);
    this.floors.set(floor.id, { box, over });
    return box;
  }

  zone(zone, polygon, antennas) {
    const label = placeLabel(zone.name, polygon, antennas.map((antenna) => antenna.at));
    const [x] = label.centre;
    const value = s("text", { class: "value", x, y: label.valueY });
    const corner = polygon.reduce((best, point) => (point[1] - point[0] > best[1] - best[0] ? point : best)); // bottom left
    const element = s(
      "g",
      {
        class: `zone kind-${zone.kind}${label.small ? " small" : ""}`,
        "data-zone": zone.id,
        "data-occupancy": "",
        tabindex: 0,
        role: "button",
        onclick: () => this.select(zone.id),
        onkeydown: (event) => {
          if (event.key === "Enter" || event.key === " ") {
            event.preventDefault();
            this.select(zone.id);
          }
        },
        onpointermove: (event) => event.pointerType !== "touch" && this.hover(zone, event),
        onpointerleave: () => this.leave(),
        onfocus: (event) => {
          if (event.target.matches(":focus-visible")) this.mark("focused", zone.id);
        },
        onblur: () => this.unmark("focused"),
      },
      s("path", { class: "shape", d: pathOf(polygon, true) }),
      glyph(zone.kind, corner[0] + 6, corner[1] - 20),
      s("text", { class: "name", x, y: label.nameY }, ...label.lines.map((line, i) => s("tspan", { x, dy: i ? 13 : 0 }, line))),
      value,
    );
    this.zones.set(zone.id, { zone, element, value, polygon, antennas, centre: label.centre });
    return element;
  }

  /** Colour all zones by `metric`; `data-occupancy` is always the live count. */
  paint(metric, data, top) {
    this.painted = [metric, data, top];
    for (const [id, { zone, element, value: text }] of this.zones) {
      const value = metric.of(data, id);
      const { fill, ink } = paint(value, top);
      element.style.setProperty("--fill", fill);
      element.style.setProperty("--on", ink);
      element.classList.toggle("empty", value === 0);
      element.classList.toggle("unknown", value === null);
      element.dataset.occupancy = data.live?.zones[id] ?? "";
      element.setAttribute("aria-label", `${zone.name}, ${kindName(zone.kind)}: ${metric.inWords(value)}`);
      const shown = metric.onZone(value);
      if (text.textContent && text.textContent !== shown) {
        text.classList.remove("changed");
        text.getBBox(); // so that the animation starts anew
        text.classList.add("changed");
      }
      setText(text, shown);
    }
    if (this.chosen) this.choose(this.chosen, this.steps);
  }

  showReaders(health) {
    this.health = health;
    const offline = new Set(health.filter((reader) => !reader.online).map((reader) => reader.id));
    for (const mark of this.stage.querySelectorAll(".antenna")) {
      mark.classList.toggle("offline", offline.has(mark.dataset.reader));
    }
  }

  /** The antennas over a zone: [{reader, port}]. */
  antennasOver(zone) {
    const { polygon, antennas } = this.zones.get(zone);
    return antennas.filter((antenna) => contains(polygon, antenna.at));
  }

  show(floor) {
    this.shown = this.floors.has(floor) ? floor : this.layout.floors[0]?.id;
    for (const [id, { box }] of this.floors) box.hidden = id !== this.shown;
  }

  /** Outline a zone, with arrows to where people go next (`steps`: [{zone, share}]); null outlines nothing. */
  choose(zone, steps) {
    [this.chosen, this.steps] = [zone, steps];
    this.unmark("chosen");
    for (const { over } of this.floors.values()) over.querySelectorAll(".routes").forEach((old) => old.remove());
    for (const { zone: { id }, element } of this.zones.values()) element.setAttribute("aria-pressed", String(id === zone));
    const from = this.zones.get(zone);
    if (!from) return;
    this.mark("chosen", zone);
    const near = steps.map((step) => [step, this.zones.get(step.zone)]).filter(([, to]) => to?.zone.floor === from.zone.floor);
    const arrows = near.flatMap(([step, to]) => arrow(from, to, step.share));
    const here = [...this.zones.values()].filter((other) => other.zone.floor === from.zone.floor);
    const texts = arrows.length ? here.map(({ element }) => textOf(element)) : [];
    this.floors.get(from.zone.floor).over.append(s("g", { class: "routes", "aria-hidden": "true" }, ...arrows, ...texts));
  }

  mark(name, zone) {
    this.unmark(name);
    const found = this.zones.get(zone);
    this.floors.get(found.zone.floor).over.append(s("path", { class: name, d: pathOf(found.polygon, true) }));
  }

  unmark(name) {
    for (const { over } of this.floors.values()) over.querySelector(`.${name}`)?.remove();
  }
}

function antennaMark({ reader, port, at: [x, y] }) {
  return s(
    "g",
    { class: "antenna", transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})`, "data-reader": reader, "data-port": port },
    s("circle", { r: 2.6 }),
    s("path", { d: "M-5-5 5 5M-5 5 5-5" }),
  );
}

/** A copy of a zone's text, to lie above the arrows. */
function textOf(zone) {
  const copies = [...zone.querySelectorAll("text")].map((text) => text.cloneNode(true));
  copies.forEach((text) => text.classList.remove("changed"));
  return s("g", { class: zone.getAttribute("class").replace("zone", "above"), style: zone.getAttribute("style") }, ...copies);
}

/** A bent arrow, its width by the share of people who take it. */
function arrow(from, to, share) {
  const [[ax, ay], [bx, by]] = [from.centre, to.centre];
  const length = Math.hypot(bx - ax, by - ay) || 1;
  const bend = Math.min(46, length * 0.18) / length;
  const [cx, cy] = [(ax + bx) / 2 - (by - ay) * bend, (ay + by) / 2 + (bx - ax) * bend];
  const curve = Array.from({ length: 101 }, (_, i) => {
    const t = i / 100;
    return [0, 1].map((n) => (1 - t) ** 2 * [ax, ay][n] + 2 * t * (1 - t) * [cx, cy][n] + t ** 2 * [bx, by][n]);
  });
  // Only from border to border, so that no number is covered.
  const leaves = curve.findLastIndex((point) => contains(from.polygon, point));
  const enters = curve.findIndex((point, i) => i > leaves && contains(to.polygon, point));
  const some = Math.ceil((100 * REACH) / length);
  const line = curve.slice(Math.max(0, leaves - some), Math.max(enters, leaves + 1) + some);
  const width = 2 + 9 * Math.sqrt(share);
  const head = 5 + width * 0.9;
  const [[px, py], [ex, ey]] = line.slice(-2);
  const step = Math.hypot(ex - px, ey - py) || 1;
  const [vx, vy] = [(ex - px) / step, (ey - py) / step];
  const tip = [[ex + vx * head, ey + vy * head], [ex - vy * head * 0.75, ey + vx * head * 0.75], [ex + vy * head * 0.75, ey - vx * head * 0.75]];
  const d = pathOf(line, false);
  return [
    s("path", { class: "route-edge", d, "stroke-width": width + 3 }),
    s("path", { class: "route", d, "stroke-width": width }),
    s("path", { class: "route-head", d: pathOf(tip, true) }),
  ];
}

function hatch() {
  const lines = s("path", { d: "M-2 2 2-2M0 8 8 0M6 10 10 6", stroke: "#c9d2d3", "stroke-width": 1 });
  const pattern = s("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse" }, s("rect", { width: 8, height: 8, fill: "#f2f4f4" }), lines);
  return s("svg", { width: 0, height: 0, "aria-hidden": "true", style: "position:absolute" }, s("defs", {}, pattern));
}
