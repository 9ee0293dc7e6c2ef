// The buttons that break things, and what is broken as long as it is.

import { act, el, find } from "./dom.js";
import { listen, state } from "./events.js";

const button = (text, action, body) => el("button", { type: "button", onclick: () => act(action, body), "data-fault": body ? JSON.stringify(body) : action }, text);
const group = (title, ...buttons) => el("div", { role: "group", "aria-label": title }, el("h3", {}, title), el("div", { class: "buttons" }, buttons));

find("break").append(
  group("Payment gateway", ["up", "slow", "failing", "hanging"].map((mood) => button(mood, "gateway", { mood }))),
  group("Stream mapping", button("Pause", "mapping", { paused: true }), button("Resume", "mapping", { paused: false }), button("Deliver the last batch again", "again")),
  group("Crashes", button("Kill the next function that charges", "crash"), button("Restart DynamoDB Local", "restart")),
  group("Recovery", button("Run RecoverOrders now", "recover")),
  group("Let time pass for what waits", button("1 hour", "clock", { hours: 1 }), button("1 day", "clock", { hours: 24 }), button("4 days", "clock", { hours: 96 })),
);

listen((changes) => {
  if (changes.faults) {
    find("faults").replaceChildren(
      ...state.faults.map((fault) => el("span", { class: "fault" }, fault)),
      ...(state.faults.length ? [el("button", { type: "button", onclick: () => act("end") }, "End all faults")] : []),
    );
  }
  for (const each of document.querySelectorAll("[data-fault]")) {
    const { mood, paused } = each.dataset.fault.startsWith("{") ? JSON.parse(each.dataset.fault) : {};
    if (mood) each.setAttribute("aria-pressed", state.mood === mood);
    else if (paused !== undefined) each.setAttribute("aria-pressed", Boolean(state.paused) === paused);
  }
});
