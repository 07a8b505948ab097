// How fresh the numbers are, and what to say when they are not.

import { byId, setText } from "./dom.js";
import { clockTime, duration, longDate } from "./text.js";

const WORDS = { live: "Live", quiet: "Quiet", stale: "No new data", none: "Waiting for reads", away: "Not connected", starting: "Starting" };

/**
 * @param live last answer, or null
 * @param gotAt milliseconds (performance.now) when it came
 * @param failure why there is no newer one, or null
 */
export function showStatus(live, gotAt, failure) {
  const state = failure ? "away" : (live?.data.state ?? "starting");
  document.body.dataset.state = state;
  setText(byId("state"), WORDS[state]);
  const sinceAnswer = live ? (performance.now() - gotAt) / 1000 : 0;
  if (live) {
    const { lag_s: lag, readers_online: online, readers_total: total } = live.data;
    const simulated = live.clock_rate === 1 ? "" : ` · simulated, ${live.clock_rate}× speed`;
    setText(byId("clock"), `${longDate(live.now)}, ${clockTime(live.now)}${simulated}`);
    setText(byId("age"), lag === null ? "" : `data is ${duration(lag / live.clock_rate + sinceAnswer)} old`);
    setText(byId("readers"), `${online} of ${total} readers online`);
  }
  notice(failure ? fault(failure, live) : (trouble(live) ?? ""));
}

function fault(failure, live) {
  const shown = live ? ` What you see is of ${clockTime(live.now)}.` : "";
  return failure.status === 404 ? `${failure.message}.` : `${sentence(failure.message)}${shown} Trying again…`;
}

function trouble(live) {
  if (!live) return null;
  const { state, reason, readers_online: online, readers_total: total } = live.data;
  if (state === "stale" || state === "none") return `${reason} Zones are hatched until there are data.`;
  const down = live.readers.filter((reader) => !reader.online).map((reader) => reader.id);
  if (online < total) return `Not all is seen: ${down.length === 1 ? "reader" : "readers"} ${down.slice(0, 6).join(", ")}${down.length > 6 ? "…" : ""} offline.`;
  return null;
}

const sentence = (text) => (/[.!?…]$/.test(text) ? text : `${text}.`);

export function notice(text) {
  const element = byId("notice");
  setText(element, text);
  element.hidden = !text;
}
