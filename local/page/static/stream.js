// Draws what the stream mapping delivered to ProcessPayment, newest first, and what it gave up on.

import { clock, duration, el, find, json, table } from "./dom.js";
import { listen } from "./events.js";

listen(({ stream }) => {
  const rows = stream?.toReversed().map((entry) => [clock(entry.at), ...cells(entry)]);
  if (rows) find("stream").replaceChildren(table("Deliveries", ["Time", "Lane", "Records", "Took", "Result"], rows));
});

function cells({ note, level, failure, lane, records, seconds, error, failures }) {
  if (note) return [lane, "", "", el("span", { class: level }, note)];
  if (failure) {
    const summary = el("summary", {}, `to the failure queue: ${failure.requestContext.condition}`);
    return ["", String(failure.DDBStreamBatchInfo.batchSize), "", el("details", {}, summary, json(failure))];
  }
  if (seconds === undefined) return [lane, String(records), "…", "at work"];
  const problem = error ?? (failures && `${failures} reported as failed`);
  return [lane, String(records), duration(seconds), problem ? el("span", { class: "ERROR" }, problem) : "recorded"];
}
