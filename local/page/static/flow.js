// Draws how many orders are where, and the sentence that must hold.

import { find } from "./dom.js";
import { listen, state } from "./events.js";

const RATE_SECONDS = 5;
let accepted = []; // [time, count], of the last seconds

listen((changes) => {
  if (changes.counts) show(state.counts);
  if (changes.stream) {
    const running = state.stream.filter((entry) => entry.records && entry.seconds === undefined);
    set("delivering", running.reduce((sum, entry) => sum + entry.records, 0));
  }
  if ("paused" in changes) find("mapping").textContent = state.paused ? "mapping paused" : "mapping running";
  if (changes.mood) find("mood").textContent = state.mood;
  if ("paused" in changes || changes.mood) {
    node("stream").classList.toggle("broken", Boolean(state.paused));
    node("process").classList.toggle("broken", state.mood !== "up");
  }
});

setInterval(() => {
  accepted = accepted.filter(([time]) => time > Date.now() - 1000 * RATE_SECONDS - 1000);
  accepted.push([Date.now(), state.counts.accepted ?? 0]);
  const [[since, before], [now, after]] = [accepted[0], accepted.at(-1)];
  set("rate", now > since ? Math.round((10000 * (after - before)) / (now - since)) / 10 : 0);
}, 1000);

function show({ accepted: all = 0, PENDING = 0, PROCESSED = 0, DECLINED = 0, deferred = 0, LOST = 0, twice = 0, given_up = 0 }) {
  for (const [name, count] of Object.entries({ accepted: all, PENDING, PROCESSED, DECLINED, deferred, given_up })) set(name, count);
  node("failures").classList.toggle("broken", given_up > 0);
  const settled = PROCESSED + DECLINED;
  const holds = all === PENDING + settled && twice === 0;
  const lost = LOST ? ` (${LOST} lost)` : "";
  find("promise").className = holds ? "holds" : "fails";
  find("promise").textContent =
    `${holds ? "✓" : "✗"} ${all} accepted ${all === PENDING + settled ? "=" : "≠"} ${PENDING} pending + ${settled} settled${lost} · ${twice} charged twice`;
}

const node = (name) => document.querySelector(`[data-node=${name}]`);

function set(name, count) {
  const place = document.querySelector(`[data-count=${name}]`);
  if (place.textContent === String(count)) return;
  place.textContent = count;
  place.closest("li").classList.remove("moved");
  void place.offsetWidth; // or the animation would not begin again
  place.closest("li").classList.add("moved");
}
