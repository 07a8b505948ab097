// Asking the API, again and again, patiently.

const TIMEOUT_MS = 8000;

/** The server answered with a fault ({reason, message}), or did not answer (reason "unreachable"). */
export class Failure extends Error {
  constructor(status, reason, message) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export async function ask(path) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
  } catch {
    throw new Failure(0, "unreachable", "No connection to Tagtrail.");
  }
  let body;
  try {
    body = await response.json();
  } catch {
    throw new Failure(response.status, "unreadable", "The server gave an answer that cannot be read.");
  }
  if (!response.ok) throw new Failure(response.status, body.reason, body.message);
  return body;
}

/**
 * Call `path()` every `everyMs` and hand the answer to `got`, a failure to `failed`. No path: nothing to ask for now.
 * A hidden page does not ask. Returns a function that asks at once.
 */
export function poll(everyMs, path, got, failed) {
  let timer = 0;
  let turn = 0;
  async function round() {
    clearTimeout(timer);
    const mine = ++turn;
    const address = path();
    if (address !== null && !document.hidden) {
      let act;
      try {
        const answer = await ask(address);
        act = () => got(answer);
      } catch (failure) {
        if (!(failure instanceof Failure)) throw failure;
        act = () => failed(failure);
      }
      if (mine !== turn) return; // a newer question is on its way
      if (address === path()) act();
    }
    timer = setTimeout(round, everyMs);
  }
  document.addEventListener("visibilitychange", () => document.hidden || round());
  round();
  return round;
}
