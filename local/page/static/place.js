// The form for an order, made from the API's own schema; the presets; and what the API answered.

import { act, button, el, find, json } from "./dom.js";
import { keys } from "./order.js";

const REQUESTS_AT_ONCE = 4;
const INVALID = { customer_id: "c 42", currency: "real", items: [{ sku: "", quantity: 0, unit_price: "-1" }] };
const form = find("place");
const API = await (await fetch("/openapi.json")).json();
const { NewOrder, NewItem } = API.components.schemas;
const USUAL = API.paths["/orders"].post.requestBody.content["application/json"].example;
const ofTotal = (total) => ({ ...USUAL, items: [{ ...USUAL.items[0], quantity: 1, unit_price: total }] });
let sent = 0;

find("presets").append(
  button("Usual", () => send(USUAL)),
  button("Declined", () => send(ofTotal("402.00"))),
  button("Provider down", () => send(ofTotal("503.00"))),
  button("Invalid", () => send(INVALID)),
  button("Same key twice", async (_, key = crypto.randomUUID()) => (await send(USUAL, key), send(USUAL, key))),
  ...[10, 200, 500].map((count) => button(`Burst of ${count}`, () => sendBurst(count))),
);
form.addEventListener("submit", (event) => (event.preventDefault(), send(read(), form.elements.key.value)));

/** Show an order in the form. */
function fill(order, key = "") {
  const change = (items) => fill({ ...read(), items }, form.elements.key.value);
  form.replaceChildren(
    ...inputs(NewOrder, "", order),
    ...order.items.map((item, index) => el("fieldset", {}, el("legend", {}, `item ${index + 1}`),
      inputs(NewItem, `/items/${index}`, item))),
    input("key", "Idempotency-Key", {}, key),
    el("div", { class: "buttons" }, el("button", { class: "main" }, "Place order"),
      button("Add an item", () => change([...read().items, USUAL.items[0]])),
      order.items.length > 1 && button("Remove an item", () => change(read().items.slice(0, -1)))),
  );
}

const members = ({ properties }) => Object.entries(properties).filter(([, { type }]) => type !== "array");

function inputs(schema, pointer, value) {
  return members(schema).map(([name, member]) => input(`${pointer}/${name}`, name, member, value[name]));
}

/** An input, named by the JSON pointer of its value, which is how the API names what is wrong. */
function input(name, label, { type, description, minimum, maximum, maxLength }, value) {
  const kind = type === "integer" ? { type: "number", min: minimum, max: maximum } : { maxlength: maxLength };
  const error = el("small", { id: `error-${name}` });
  const box = el("input", { name, value, spellcheck: "false", "aria-describedby": error.id, ...kind });
  return el("label", { title: description }, el("span", {}, label), box, error);
}

function read() {
  const values = (schema, pointer) => Object.fromEntries(members(schema).map(([name, { type }]) => {
    const text = form.elements[`${pointer}/${name}`].value;
    return [name, type === "integer" ? Number(text) : text];
  }));
  const items = [...form.querySelectorAll("fieldset")].map((_, index) => values(NewItem, `/items/${index}`));
  return { ...values(NewOrder, ""), items };
}

async function send(order, key = "") {
  const number = ++sent;
  fill(order, key);
  const { status, is_replayed, body = "{}", said } = await act("order", { body: JSON.stringify(order), key });
  const { order_id: id, ...answer } = JSON.parse(body);
  if (id && key) keys.set(id, key);
  if (number !== sent) return; // another request has been sent meanwhile
  for (const { pointer, detail } of answer.errors ?? []) {
    form.elements[pointer]?.setAttribute("aria-invalid", "true");
    find(`error-${pointer}`)?.replaceChildren(detail);
  }
  const text = said ?? `${status} ${is_replayed ? "the order of the first request" : (answer.title ?? answer.status)} `;
  const link = id ? el("a", { href: `#/orders/${id}` }, `Order ${id.slice(0, 8)}`) : "";
  find("answer").replaceChildren(el("p", { class: id ? "PROCESSED" : "ERROR" }, text, link), json(JSON.parse(body)));
}

async function sendBurst(count) {
  const [bar, text] = [el("progress", { max: count, value: 0, "aria-label": "Burst" }), el("span")];
  find("answer").replaceChildren(bar, text);
  let [begun, created, refused] = [0, 0, 0];
  const next = async () => {
    while (begun < count) {
      const body = JSON.stringify({ ...USUAL, customer_id: `burst-${++begun}` });
      (await act("order", { body })).status === 201 ? created++ : refused++;
      bar.value = created + refused;
      text.textContent = ` ${created} of ${count} created, ${refused} refused`;
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, next));
}

fill(USUAL);
