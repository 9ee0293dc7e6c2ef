// Building elements and writing values. Text is only ever set as text, never parsed as HTML.

/** An element with properties (`class`, `on…`, or an attribute) and children; a string becomes a text node. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== false));
  return element;
}

export const find = (id) => document.getElementById(id);

/** A table with a header row; a cell is text or an element. */
export function table(caption, heads, rows) {
  const cells = (tag, row) => el("tr", {}, row.map((cell) => el(tag, tag === "th" ? { scope: "col" } : {}, cell)));
  return el("table", { "aria-label": caption }, el("thead", {}, cells("th", heads)), el("tbody", {}, rows.map((row) => cells("td", row))));
}

export function duration(seconds) {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** How long ago a time was: whole seconds, so that a list does not flicker. */
export function ago(timestamp) {
  const seconds = Math.max(Math.floor((Date.now() - Date.parse(timestamp)) / 1000), 0);
  return seconds < 1 ? "now" : `${seconds < 100 ? `${seconds} s` : duration(seconds)} ago`;
}

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 };
/** The time of day of seconds since 1970, of an ISO timestamp, or of Powertools' "2026-11-25 17:11:29,366+0000". */
export function clock(time) {
  const date = new Date(typeof time === "number" ? 1000 * time : time.replace(" ", "T").replace(",", ".").replace("+0000", "Z"));
  return date.toLocaleTimeString("en-GB", TIME);
}

/** Run an action of the server. Returns its answer, and says it. */
export async function act(name, body = {}) {
  let answer;
  try {
    const response = await fetch(`/actions/${name}`, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    });
    answer = await response.json();
  } catch {
    answer = { said: "The local run does not answer." };
  }
  if (answer.said) find("said").textContent = answer.said;
  return answer;
}
