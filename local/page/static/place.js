// The form for an order, which has the members of the order that it shows; the presets; and what the API answered.

import { act, find } from "./page.js";

const USUAL = await (await fetch("/example")).json();
const INVALID = { customer_id: "c 42", currency: "real", items: [{ sku: "", quantity: 0, unit_price: "-1" }] };
const ofTotal = (total) => ({ ...USUAL, items: [{ ...USUAL.items[0], quantity: 1, unit_price: total }] });
const PRESETS = {
  "Usual": () => send(USUAL),
  "Declined": () => send(ofTotal("402.00")),
  "Provider down": () => send(ofTotal("503.00")),
  "Invalid": () => send(INVALID),
  "Same key twice": async (_, key = crypto.randomUUID()) => (await send(USUAL, key), send(USUAL, key)),
};
const form = find("place");
let sent = 0;

function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Show an order in the form. An input is named by the JSON pointer of its value, as the API names what is wrong. */
function fill({ items, ...members }, key = form.elements.key.value) {
  const input = (pointer) => ([name, value]) => el("label", {}, el("span", {}, name),
    el("input", { name: `${pointer}/${name}`, value, type: typeof value === "number" ? "number" : "text", spellcheck: false,
      "aria-describedby": `error-${pointer}/${name}` }),
    el("small", { id: `error-${pointer}/${name}` }));
  find("members").replaceChildren(...Object.entries(members).map(input("")), ...items.map((item, index) =>
    el("fieldset", {}, el("legend", {}, `item ${index + 1}`), ...Object.entries(item).map(input(`/items/${index}`)))));
  find("remove").hidden = items.length === 1;
  form.elements.key.value = key;
}

function read() {
  const order = { items: [] };
  for (const { name, value, type } of find("members").querySelectorAll("input")) {
    const [, member, index, ofItem] = name.split("/");
    const target = ofItem ? (order.items[index] ??= {}) : order;
    target[ofItem ?? member] = type === "number" ? Number(value) : value;
  }
  return order;
}

async function send(order, key = "") {
  const number = ++sent;
  fill(order, key);
  const { status, is_replayed, body = {}, said } = await act("order", { body: JSON.stringify(order), key });
  if (number !== sent) return; // another request has been sent meanwhile
  for (const { pointer, detail } of body.errors ?? []) {
    form.elements[pointer]?.setAttribute("aria-invalid", "true");
    find(`error-${pointer}`)?.replaceChildren(detail);
  }
  const text = said ?? `${status} ${is_replayed ? "the order of the first request" : (body.title ?? body.status)} `;
  const link = body.order_id ? el("a", { href: `#/orders/${body.order_id}` }, `Order ${body.order_id.slice(0, 8)}`) : "";
  find("answer").replaceChildren(el("p", { class: body.order_id ? "PROCESSED" : "ERROR" }, text, link),
    el("pre", { tabindex: 0 }, JSON.stringify(body, null, 2)));
}

find("presets").prepend(...Object.entries(PRESETS).map(([text, press]) => {
  const button = el("button", {}, text);
  button.onclick = press;
  return button;
}));
find("add").onclick = () => fill({ ...read(), items: [...read().items, USUAL.items[0]] });
find("remove").onclick = () => fill({ ...read(), items: read().items.slice(0, -1) });
form.onsubmit = (event) => (event.preventDefault(), send(read(), form.elements.key.value));
fill(USUAL);
