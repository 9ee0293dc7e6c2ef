// Builds elements and writes values. Text is only ever set as text, never parsed as HTML.

export const find = (id) => document.getElementById(id);

/** An element with its attributes (or `on…` listeners) and its children; a string becomes text. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false));
  return element;
}

export const button = (text, onclick, more = {}) => el("button", { type: "button", onclick, ...more }, text);
export const json = (value) => el("pre", { tabindex: 0 }, JSON.stringify(value, null, 2));

export function table(name, heads, rows) {
  const row = (tag) => (cells) => el("tr", {}, cells.map((cell) => el(tag, {}, cell)));
  return el("table", { "aria-label": name }, el("thead", {}, row("th")(heads)), el("tbody", {}, rows.map(row("td"))));
}

export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(2)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export function ago(timestamp) {
  const seconds = Math.max(Math.floor((Date.now() - Date.parse(timestamp)) / 1000), 0);
  return `${seconds < 100 ? `${seconds} s` : duration(seconds)} ago`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };

/** The time of day of seconds since 1970, an ISO timestamp, or Powertools' "2026-11-25 17:11:29,366+0000". */
export function clock(time) {
  const iso = (text) => text.replace(" ", "T").replace(",", ".").replace("+0000", "Z");
  return new Date(typeof time === "number" ? 1000 * time : iso(time)).toLocaleTimeString("en-GB", TIME);
}

/** Run an action of the server, show what it says, and return its answer. */
export async function act(name, body = {}) {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const answer = await fetch(`/actions/${name}`, request)
    .then((response) => response.json())
    .catch(() => ({ said: "The local run did not do that." }));
  if (answer.said) find("said").textContent = answer.said;
  return answer;
}
