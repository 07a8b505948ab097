// Flows and counters, as compact tables. What a person has opened or sorted stays so when numbers change.

import { h, swap } from "./dom.js";
import { dwellOf, SAMPLE_MIN } from "./metrics.js";
import { count, duration, NOTHING } from "./text.js";

const SHORT = innerHeight < 900 ? 5 : 9;
const LONG = 40;
const COUNTED = new Set(["counter", "checkout", "fitting"]);

const bar = (part) => {
  const element = h("i", { class: "bar" });
  element.style.width = `${(100 * part).toFixed(1)}%`;
  return element;
};

class Table {
  constructor(box, select) {
    this.box = box;
    this.select = select;
    this.open = false;
  }

  link(id) {
    return h("button", { class: "link", type: "button", onclick: () => this.select(id) }, this.nameOf(id));
  }

  fill(head, rows, nothing) {
    const limit = this.open ? LONG : SHORT;
    const more =
      rows.length > SHORT
        ? h("button", { class: "more", type: "button", onclick: () => ((this.open = !this.open), this.refresh()) },
            this.open ? "Show fewer" : rows.length > LONG ? `Show ${LONG}` : `Show all ${rows.length}`)
        : null;
    this.box.previousElementSibling.lastElementChild?.remove();
    if (more) this.box.previousElementSibling.append(more);
    const table = rows.length ? h("table", {}, h("thead", {}, head), h("tbody", {}, ...rows.slice(0, limit).map((row) => row()))) : null;
    swap(this.box, [table ?? h("p", { class: "nothing" }, nothing)]);
  }

  update(day, layout, nameOf) {
    [this.day, this.layout, this.nameOf] = [day, layout, nameOf];
    this.refresh();
  }
}

export class Flows extends Table {
  refresh() {
    const { flows, flows_left_out: rest } = this.day;
    const most = flows[0]?.steps ?? 1;
    const all = rest + flows.reduce((sum, flow) => sum + flow.steps, 0);
    const head = h("tr", {}, h("th", {}, "From – to"), h("th", { class: "figure", title: `of ${count(all)} steps` }, "Steps"));
    const rows = flows.map((flow) => () =>
      h("tr", {},
        h("td", { class: "flow" }, this.link(flow.from_zone), h("span", { class: "to" }, "→"), this.link(flow.to_zone), bar(flow.steps / most)),
        h("td", { class: "figure", title: `${((100 * flow.steps) / all).toFixed(1)} % of all steps` }, count(flow.steps))));
    this.fill(head, rows, "Nobody has walked from one zone to another yet.");
  }
}

export class Counters extends Table {
  sort = "visitors";

  column(key, label) {
    const pick = () => ((this.sort = key), this.refresh());
    return h("th", { class: "figure" }, h("button", { type: "button", "aria-pressed": String(this.sort === key), onclick: pick }, label));
  }

  refresh() {
    const zones = this.layout.zones.filter((zone) => COUNTED.has(zone.kind)).map((zone) => ({ id: zone.id, ...this.day.zones[zone.id] }));
    const value = (zone) => (this.sort === "visitors" ? zone.visitors : (dwellOf(zone) ?? -1));
    zones.sort((a, b) => value(b) - value(a));
    const most = Math.max(1, ...zones.map(value));
    const head = h("tr", {}, h("th", {}, "Zone"), this.column("visitors", "Visitors"), this.column("dwell", "Median stay"));
    const rows = zones.map((zone) => () => {
      const dwell = dwellOf(zone);
      const title = dwell === null ? `${zone.dwell_sample} stays have ended, ${SAMPLE_MIN} are needed` : `of ${count(zone.dwell_sample)} ended stays`;
      return h("tr", {},
        h("td", {}, this.link(zone.id), bar(Math.max(0, value(zone)) / most)),
        h("td", { class: "figure" }, count(zone.visitors)),
        h("td", { class: `figure${dwell === null ? " too-few" : ""}`, title }, dwell === null ? NOTHING : duration(dwell)));
    });
    this.fill(head, rows, "This floor has no counters.");
  }
}
