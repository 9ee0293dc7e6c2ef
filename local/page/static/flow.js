// Draws how many orders are where, and the sentence that must hold.

import { find } from "./dom.js";
import { listen, state } from "./events.js";

const RATE_SECONDS = 5;
let samples = []; // of the last seconds: the time, and how many orders were accepted until then

listen((changes) => {
  if (changes.counts) show({ accepted: 0, PENDING: 0, PROCESSED: 0, DECLINED: 0, deferred: 0, ...changes.counts });
  const running = state.stream.filter((entry) => entry.records && entry.seconds === undefined);
  set("delivering", running.reduce((sum, entry) => sum + entry.records, 0));
  set("paused", state.paused ? "paused" : "running");
  set("mood", state.mood ?? "");
  find("mapping").classList.toggle("broken", state.paused === true);
  find("payment").classList.toggle("broken", state.mood !== "up");
  const connection = state.starting ? "The service is starting …" : "Live";
  find("connection").textContent = state.connected ? connection : "Trying to connect …";
  document.body.classList.toggle("offline", !state.connected);
});

setInterval(() => {
  samples = [...samples.slice(-RATE_SECONDS), { at: Date.now(), accepted: state.counts.accepted ?? 0 }];
  const [first, now] = [samples[0], samples.at(-1)];
  set("rate", now.at > first.at ? Math.round((1000 * (now.accepted - first.accepted)) / (now.at - first.at)) : 0);
}, 1000);

function show({ twice, LOST, ...counts }) {
  for (const [name, count] of Object.entries(counts)) set(name, count);
  const [accepted, pending, settled] = [counts.accepted, counts.PENDING, counts.PROCESSED + counts.DECLINED];
  const isComplete = accepted === pending + settled;
  const sum = `${accepted} accepted ${isComplete ? "=" : "≠"} ${pending} pending + ${settled} settled`;
  find("promise").className = isComplete && !twice ? "holds" : "fails";
  find("promise").textContent = `${sum}${LOST ? `, ${LOST} lost` : ""} · ${twice} charged twice`;
}

function set(name, value) {
  const place = find(name);
  if (place.textContent === String(value)) return;
  place.textContent = value;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const accent = "color-mix(in srgb, var(--accent) 20%, transparent)";
  place.closest("li").animate({ backgroundColor: [accent, "transparent"] }, { duration: 600, easing: "steps(3)" });
}
