// Draws the list of orders, newest first: only the rows in sight, so that 10,000 are as quick as ten.

import { ago, el, find } from "./dom.js";
import { listen, state } from "./events.js";

const ROW_PIXELS = 52;
const [box, list, status, search] = [find("list"), find("list").firstChild, find("status"), find("search")];
const rows = new Map(); // the elements in the page, by order id
let shown = [];

listen(({ orders }) => orders && select());
box.addEventListener("scroll", draw);
for (const event of ["resize", "hashchange"]) addEventListener(event, draw);
for (const input of [status, search]) input.addEventListener("input", select);
setInterval(draw, 1000); // the times go on

function select() {
  const text = search.value.trim().toLowerCase();
  shown = [...state.orders.values()]
    .filter((order) => (!status.value || order.status === status.value) && order.id.includes(text))
    .sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
  find("shown").textContent = `${shown.length} of ${state.orders.size}`;
  list.style.height = `${shown.length * ROW_PIXELS}px`;
  draw();
}

function draw() {
  const first = Math.max(Math.floor(box.scrollTop / ROW_PIXELS) - 4, 0);
  const inSight = shown.slice(first, first + Math.ceil(box.clientHeight / ROW_PIXELS) + 8);
  for (const id of rows.keys()) if (!inSight.some((order) => order.id === id)) rows.get(id).remove(), rows.delete(id);
  inSight.forEach((order, index) => {
    const row = rows.get(order.id) ?? el("li", {}, el("a", { href: `#/orders/${order.id}` }));
    rows.set(order.id, row);
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    row.style.top = `${(first + index) * ROW_PIXELS}px`;
    row.ariaSetSize = shown.length;
    row.ariaPosInSet = first + index + 1;
    fill(row.firstChild, order);
  });
}

function fill(link, { id, status: now, changedAt, customer, currency, total, attempts: failed }) {
  const attempts = failed ? `${failed} failed` : "";
  const texts = { status: now, time: ago(changedAt), customer, total: `${currency} ${total}`, id, attempts };
  if (link.textContent !== Object.values(texts).join("")) {
    link.replaceChildren(...Object.entries(texts).map(([name, text]) => el("span", { class: name }, text)));
    link.firstChild.classList.add(now);
  }
  link.setAttribute("aria-current", location.hash === link.getAttribute("href"));
}
