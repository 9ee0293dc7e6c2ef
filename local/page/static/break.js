// The buttons that inject failures, and the list of the failures that are on.

import { act, button, el, find } from "./dom.js";
import { listen, state } from "./events.js";

const does = (text, action, body) => button(text, () => act(action, body));
const sets = (text, action, body) => {
  const made = does(text, action, body);
  const [[name, value]] = Object.entries(body);
  listen(() => made.setAttribute("aria-pressed", state[name] === value));
  return made;
};
const group = (title, ...buttons) =>
  el("div", { role: "group", "aria-label": title }, el("h3", {}, title), el("div", { class: "buttons" }, buttons));

find("break").append(
  group("Payment provider", ["up", "slow", "failing", "hanging"].map((mood) => sets(mood, "mood", { mood }))),
  group("Stream mapping", sets("Pause", "mapping", { paused: true }), sets("Resume", "mapping", { paused: false }),
    does("Deliver the last batch again", "again")),
  group("Crashes", does("Kill the next function that charges", "crash"), does("Restart DynamoDB Local", "outage")),
  group("Recovery", does("Run RecoverOrders now", "recover")),
  group("Let time pass for orders that wait", does("1 hour", "clock", { hours: 1 }),
    does("1 day", "clock", { hours: 24 }), does("4 days", "clock", { hours: 96 })),
);

listen(({ injected }) => injected && find("injected").replaceChildren(
  ...injected.map((failure) => el("span", { class: "injected" }, failure)),
  ...(injected.length ? [does("End all failures", "end")] : []),
));
