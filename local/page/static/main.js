// The order page: each module draws one part of it from the stream of events.

import { find } from "./dom.js";
import { listen, state } from "./events.js";
import "./flow.js";
import "./list.js";
import "./order.js";
import "./stream.js";
import "./place.js";
import "./faults.js";

listen((changes) => {
  if (!("connected" in changes || "starting" in changes)) return;
  const text = state.connected ? (state.starting ? "The service is starting …" : "Live") : "Not connected; trying again …";
  find("connection").textContent = text;
  document.body.classList.toggle("offline", text !== "Live");
});
