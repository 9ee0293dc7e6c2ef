// Draws one order: its timeline, the waterfall of its trace, its log lines, its item, and the curl that makes it.

import { clock, duration, el, find, json, table } from "./dom.js";
import { connect, listen, state } from "./events.js";

export const keys = new Map(); // the Idempotency-Key of each order that was placed here with one
const inAddress = () => /^#\/orders\/([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? "";

listen(({ order }) => order?.order_id === inAddress() && show(order));
addEventListener("hashchange", open);

/** Show the order that the address names, if any. */
export function open() {
  const id = inAddress();
  find("order").hidden = !id;
  find("order-title").textContent = `Order ${id}`;
  find("order-content").replaceChildren("Loading …");
  if (id) find("order-title").focus();
  connect(id);
}

function show({ order_id: id, item, logs, trace, sources }) {
  if (!item.order_id) return find("order-content").replaceChildren("There is no such order in this run.");
  const summary = ` ${item.currency} ${item.total} · ${item.customer_id} · `;
  find("order-content").replaceChildren(
    el("p", {}, el("b", { class: item.status }, item.status), summary, el("a", { href: "#/" }, "Close")),
    part("Timeline", el("ol", {}, timeline(item, logs))),
    part("Trace", el("p", {}, sources), el("ul", { class: "waterfall" }, waterfall(trace))),
    part("Logs", table("Log lines", ["Time", "Function", "Message"], logs.map(logRow))),
    part("Item as stored", json(item)),
    part("Its request", el("pre", { tabindex: 0 }, curl(item, keys.get(id)))),
  );
}

const part = (title, ...content) => el("section", { "aria-label": title }, el("h3", {}, title), ...content);

/** What happened when, from the item and from what the attempts logged. */
function timeline(item, logs) {
  const failures = logs.filter((line) => line.message === "Order deferred");
  return [
    [item.created_at, "accepted, PENDING"],
    ...failures.map((line) => [line.timestamp, `attempt ${line.attempts} failed, next due ${clock(line.due_at)}`]),
    ...(item.due_at ? [[item.due_at, "next attempt due"]] : []),
    ...(item.processed_at ? [[item.processed_at, `PROCESSED, payment ${item.payment_id}`]] : []),
    ...(item.declined_at ? [[item.declined_at, `DECLINED, ${item.decline_reason}`]] : []),
  ].map(([time, text]) => el("li", {}, el("time", {}, clock(time)), ` ${text}`));
}

function waterfall(rows) {
  const first = Math.min(...rows.map(({ start }) => start));
  const total = Math.max(...rows.map(({ end }) => end)) - first || 1;
  return rows.map(({ name, depth, start, end, style }) => {
    const [label, bar] = [el("span", { class: style }, name), el("i", { class: style })];
    label.style.paddingInlineStart = `${depth}em`;
    bar.style.insetInlineStart = `${(100 * (start - first)) / total}%`;
    bar.style.inlineSize = `${(100 * (end - start)) / total}%`;
    const times = el("span", {}, `${duration(start - first)} + ${duration(end - start)}`);
    return el("li", {}, label, times, el("span", { class: "track" }, bar));
  });
}

function logRow({ timestamp, function_name = "", level, message, reason, provider_error, table_error, status }) {
  const why = reason ?? table_error ?? provider_error;
  const text = [level === "INFO" ? "" : level, message, why, status].filter(Boolean).join(" · ");
  return [clock(timestamp), function_name.split("-").at(-1), el("span", { class: level }, text)];
}

/** A shell command. A quote in quoted text is written as: end of quote, escaped quote, new quote. */
function curl({ customer_id, currency, items }, key) {
  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const header = key ? ` -H ${quoted(`Idempotency-Key: ${key}`)}` : "";
  const body = quoted(JSON.stringify({ customer_id, currency, items }));
  return `curl -i ${state.api}/orders -H 'Content-Type: application/json'${header} -d ${body}`;
}
