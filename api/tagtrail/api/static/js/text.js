// Numbers and times as people read them.

const integer = new Intl.NumberFormat("en");
const percent = new Intl.NumberFormat("en", { style: "percent" });

export const NOTHING = "–";

export const count = (value) => (value === null || value === undefined ? NOTHING : integer.format(value));

export const share = (value) => (value === null || value === undefined ? NOTHING : percent.format(value));

export const plural = (value, one, many) => `${count(value)} ${value === 1 ? one : many}`;

/** 45 s, 4 min 10 s, 23 min, 1 h 05 min. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 600) return `${Math.floor(total / 60)} min ${String(total % 60).padStart(2, "0")} s`;
  const minutes = Math.round(total / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

/** The same, short enough for a zone: 45 s, 4:10, 23 min. */
export function brief(seconds) {
  if (seconds === null || seconds === undefined) return NOTHING;
  const total = Math.round(seconds);
  if (total < 60) return `${total} s`;
  if (total < 600) return `${Math.floor(total / 60)}:${String(total % 60).padStart(2, "0")}`;
  if (total < 3570) return `${Math.round(total / 60)} min`;
  return `${(total / 3600).toFixed(1)} h`;
}

// The server writes times with the offset of the store, so their first characters are the store's wall clock.
export const wallTime = (iso) => iso.slice(0, 19);
export const hourMinute = (iso) => iso.slice(11, 16);
export const clockTime = (iso) => iso.slice(11, 19);

export function longDate(iso) {
  const noon = new Date(`${iso.slice(0, 10)}T12:00:00Z`);
  return new Intl.DateTimeFormat("en", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" }).format(noon);
}
