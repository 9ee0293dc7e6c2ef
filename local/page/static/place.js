// The form for an order, made from the API's own schema, its presets, and what the API answered.

import { act, el, find } from "./dom.js";
import { listen, state } from "./events.js";
import { rememberKey } from "./order.js";

const USUAL = { customer_id: "c-42", currency: "BRL", items: [{ sku: "KB-75", quantity: 2, unit_price: "349.90" }] };
const priced = (unit_price) => ({ ...USUAL, items: [{ sku: "KB-75", quantity: 1, unit_price }] });
const PRESETS = {
  Usual: () => send(USUAL),
  Declined: () => send(priced("402.00")),
  "Gateway down": () => send(priced("503.00")),
  Invalid: () => send({ customer_id: "c 42", currency: "real", items: [{ sku: "", quantity: 0, unit_price: "-1" }] }),
  "Same key twice": async () => {
    const key = crypto.randomUUID();
    await send(USUAL, key);
    await send(USUAL, key);
  },
};
const { components } = await (await fetch("/openapi.json")).json();
const resolved = (schema) => (schema.$ref ? components.schemas[schema.$ref.split("/").at(-1)] : schema);
const schema = components.schemas.NewOrder;
const form = find("place");

find("presets").append(
  ...Object.entries(PRESETS).map(([name, place]) => el("button", { type: "button", onclick: place }, name)),
  ...[10, 100, 500].map((count) => el("button", { type: "button", onclick: () => act("burst", { count }) }, `Burst of ${count}`)),
  el("progress", { id: "burst", "aria-label": "Burst", hidden: true }), el("span", { id: "burst-text", role: "status" }),
);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send(read(schema, ""), form.elements["Idempotency-Key"].value);
});
fill(USUAL);

listen(({ burst }) => {
  if (!burst?.count) return;
  const bar = find("burst");
  Object.assign(bar, { max: burst.count, value: burst.sent, hidden: false });
  find("burst-text").textContent = `${burst.sent} of ${burst.count} in ${burst.seconds} s${burst.refused ? `, ${burst.refused} refused` : ""}`;
});

function fill(order, key = "") {
  form.replaceChildren(
    ...fields(schema, "", order),
    field("Idempotency-Key", "Idempotency-Key", {}, key),
    el("div", { class: "buttons" }, el("button", { class: "main" }, "Place order")),
  );
}

/** The inputs of an object's members; an item of a list is a group with the index in its pointer. */
function fields(object, pointer, value) {
  return Object.entries(object.properties).flatMap(([name, member]) => {
    if (member.type !== "array") return field(`${pointer}/${name}`, name, member, value[name] ?? "");
    const items = value[name] ?? [];
    const change = (newItems) => () => fill({ ...read(schema, ""), [name]: newItems(read(schema, "")[name]) }, form.elements["Idempotency-Key"].value);
    return [
      ...items.map((item, index) => el("fieldset", {}, el("legend", {}, `${name} ${index + 1}`),
        fields(resolved(member.items), `${pointer}/${name}/${index}`, item),
        items.length > 1 && el("button", { type: "button", onclick: change((all) => all.toSpliced(index, 1)) }, "Remove"))),
      el("button", { type: "button", onclick: change((all) => [...all, all.at(-1)]) }, "Add an item"),
    ];
  });
}

function field(name, label, { type, description, minimum, maximum, maxLength }, value) {
  const kind = type === "integer" ? { type: "number", min: minimum, max: maximum } : { type: "text", maxlength: maxLength };
  const id = `fault-${name}`;
  return el("label", { title: description }, el("span", {}, label), el("input", { name, value, spellcheck: "false", autocomplete: "off", "aria-describedby": id, ...kind }), el("small", { id }));
}

function read(object, pointer) {
  return Object.fromEntries(Object.entries(object.properties).map(([name, member]) => {
    const here = `${pointer}/${name}`;
    if (member.type === "array") return [name, [...form.querySelectorAll("fieldset")].map((_, index) => read(resolved(member.items), `${here}/${index}`))];
    const text = form.elements[here].value;
    return [name, member.type === "integer" && text !== "" ? Number(text) : text];
  }));
}

async function send(order, key) {
  fill(order, key);
  const { status, headers, body } = await act("order", { body: JSON.stringify(order), key: key || undefined });
  let answer = {};
  try {
    answer = JSON.parse(body);
  } catch { /* an answer that is not JSON is shown as it is */ }
  for (const { pointer, detail } of answer.errors ?? []) {
    const input = form.elements[pointer];
    if (!input) continue;
    input.setAttribute("aria-invalid", "true");
    find(`fault-${pointer}`).textContent = detail;
  }
  if (answer.order_id && key) rememberKey(answer.order_id, key);
  const replayed = (headers ?? []).some(([name]) => name.toLowerCase() === "idempotent-replayed");
  const link = answer.order_id && el("a", { href: `#/orders/${answer.order_id}` }, `Order ${answer.order_id.slice(0, 8)}`);
  find("answer").replaceChildren(
    el("p", { class: status < 300 ? "PROCESSED" : "ERROR" }, `${status || "No answer"} ${answer.title ?? (replayed ? "Idempotent-Replayed: the order of the first request" : "")} `, link || ""),
    el("pre", { tabindex: 0 }, answer.order_id || answer.title ? JSON.stringify(answer, null, 2) : String(body)),
  );
}
