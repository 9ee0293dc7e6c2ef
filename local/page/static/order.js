// Draws one order: its timeline, the waterfall of its trace, its log lines, its item, and the curl that made it.

import { ago, clock, duration, el, find, table } from "./dom.js";
import { follow, listen, state } from "./events.js";

const keys = new Map(); // the Idempotency-Key of orders placed here
export const rememberKey = (orderId, key) => keys.set(orderId, key);

listen(({ order }) => order && order.order_id === orderInAddress() && show(order));
addEventListener("hashchange", open);
open();

function orderInAddress() {
  return /^#\/orders\/([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? "";
}

function open() {
  const id = orderInAddress();
  find("order").hidden = !id;
  find("order-content").replaceChildren(id ? "Loading …" : "");
  find("order-title").textContent = `Order ${id}`;
  if (id) find("order-title").focus();
  follow(id);
}

function show({ order_id: id, item = {}, logs = [], trace = [], error }) {
  if (error || !item.order_id) {
    find("order-content").replaceChildren(error ? "DynamoDB Local does not answer." : "There is no such order in this run.");
    return;
  }
  find("order-content").replaceChildren(
    el("p", {}, el("span", { class: `status ${item.status}` }, item.status), ` ${item.currency} ${item.total} · ${item.customer_id} · `, el("a", { href: "#/" }, "Close")),
    part("Timeline", el("ol", { class: "timeline" }, timeline(item, logs).map(([time, text]) => el("li", {}, el("time", { datetime: time }, clock(time)), ` ${text}`)))),
    part("Trace", trace.length ? waterfall(trace) : "No part of its trace has arrived yet."),
    part("Logs", table("Log lines", ["Time", "Function", "Message"], logs.map(logRow))),
    part("Item as stored", el("pre", { tabindex: 0 }, JSON.stringify(item, null, 2))),
    part("The request", el("pre", { tabindex: 0 }, curl(item, keys.get(id)))),
  );
}

const part = (title, ...content) => el("details", { open: true }, el("summary", {}, title), ...content);

/** What happened when, from the item and from what the attempts logged. */
function timeline(item, logs) {
  const attempts = logs.filter((line) => line.message === "Order deferred");
  const failures = attempts.map((line) => [line.timestamp, `attempt ${line.attempts} failed; the next is due at ${clock(line.due_at)}`]);
  const due = item.due_at ? [[item.due_at, "next attempt due"]] : [];
  const processed = item.processed_at ? [[item.processed_at, `PROCESSED: payment ${item.payment_id}`]] : [];
  const declined = item.declined_at ? [[item.declined_at, `DECLINED: ${item.decline_reason}`]] : [];
  return [[item.created_at, "accepted, PENDING"], ...failures, ...due, ...processed, ...declined];
}

function waterfall(rows) {
  const first = Math.min(...rows.map((row) => row.start));
  const total = Math.max(...rows.map((row) => row.end)) - first || 0.001;
  const percent = (seconds) => `${(100 * seconds) / total}%`;
  return el("div", { class: "waterfall", role: "table", "aria-label": "Trace" }, rows.map((row) => {
    const bar = el("i", { class: row.style });
    bar.style.left = percent(row.start - first);
    bar.style.width = percent(row.end - row.start);
    const name = el("span", { role: "cell", class: row.style }, row.name);
    name.style.paddingInlineStart = `${row.depth}em`;
    return el("div", { role: "row" }, name, el("span", { role: "cell" }, `${duration(row.start - first)} + ${duration(row.end - row.start)}`), el("span", { role: "cell", class: "track" }, bar));
  }));
}

function logRow({ timestamp, function_name: name = "", level, message, reason, ...more }) {
  const said = [message, reason, more.status, more.attempts && `${more.attempts} failed`].filter(Boolean).join(" · ");
  return [clock(timestamp), name.split("-").at(-1), el("span", { class: level }, `${level === "INFO" ? "" : `${level} `}${said}`)];
}

/** A shell command; a quote in a body or a key ends the quoted text, adds the quote, and begins it again. */
export function curl({ customer_id, currency, items }, key) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const header = key ? ` \\\n  -H ${quoted(`Idempotency-Key: ${key}`)}` : "";
  return `curl -i ${state.api}/orders -H 'Content-Type: application/json'${header} \\\n  -d ${quoted(JSON.stringify({ customer_id, currency, items }))}`;
}
