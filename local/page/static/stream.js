// Draws what the stream mapping delivered to ProcessPayment, newest first, and what it gave up on.

import { clock, duration, el, find, table } from "./dom.js";
import { listen, state } from "./events.js";

listen((changes) => {
  if (!changes.stream) return;
  const rows = state.stream.toReversed().map((entry) => [clock(entry.at), ...cells(entry)]);
  find("stream").replaceChildren(rows.length ? table("Deliveries", ["Time", "Lane", "Records", "Took", "Result"], rows) : "Nothing has been delivered yet.");
});

function cells(entry) {
  if (entry.note) return ["", "", "", el("span", { class: "WARNING" }, entry.note)];
  if (entry.failure) {
    const { DDBStreamBatchInfo: batch, requestContext: context } = entry.failure;
    const message = el("details", {}, el("summary", {}, `to the failure queue: ${context.condition}`), el("pre", { tabindex: 0 }, JSON.stringify(entry.failure, null, 2)));
    return ["", String(batch.batchSize), "", message];
  }
  const took = entry.seconds === undefined ? "…" : duration(entry.seconds);
  return [entry.lane, String(entry.records), took, result(entry)];
}

function result({ error, failures, seconds }) {
  if (seconds === undefined) return "at work";
  if (error) return el("span", { class: "ERROR" }, error);
  return failures ? el("span", { class: "WARNING" }, `${failures} reported as failed`) : "recorded";
}
