// Draws the list of orders, newest first: only the rows in sight, so that 10,000 are as quick as ten.

import { ago, el, find } from "./dom.js";
import { listen, state } from "./events.js";

const ROW_PIXELS = 52;
const [box, list, status, search] = [find("list"), find("list").firstChild, find("status"), find("search")];
const rows = new Map(); // the elements in the page, by order id
let shown = [];

listen((changes) => changes.orders !== undefined && soon(select));
box.addEventListener("scroll", () => soon(draw));
new ResizeObserver(draw).observe(box);
for (const input of [status, search]) input.addEventListener("input", select);
addEventListener("hashchange", draw);
setInterval(draw, 1000); // for the times

const waiting = new Set();
function soon(work) {
  if (waiting.has(work)) return;
  waiting.add(work);
  requestAnimationFrame(() => waiting.delete(work) && work());
}

function select() {
  const text = search.value.trim().toLowerCase();
  shown = [...state.orders.values()]
    .filter((order) => (!status.value || order.status === status.value) && order.id.includes(text))
    .sort((one, other) => (one.createdAt < other.createdAt ? 1 : -1));
  find("shown").textContent = `${shown.length} of ${state.orders.size}`;
  draw();
}

function draw() {
  list.style.height = `${shown.length * ROW_PIXELS}px`;
  const first = Math.max(Math.floor(box.scrollTop / ROW_PIXELS) - 4, 0);
  const inSight = shown.slice(first, first + Math.ceil(box.clientHeight / ROW_PIXELS) + 8);
  const ids = new Set(inSight.map((order) => order.id));
  for (const [id, row] of rows) if (!ids.has(id) && rows.delete(id)) row.remove();
  inSight.forEach((order, index) => {
    let row = rows.get(order.id);
    if (!row) rows.set(order.id, (row = el("li", { "data-order": order.id }, el("a", { href: `#/orders/${order.id}` }))));
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    row.style.top = `${(first + index) * ROW_PIXELS}px`;
    row.setAttribute("aria-setsize", shown.length);
    row.setAttribute("aria-posinset", first + index + 1);
    fill(row.firstChild, order);
  });
}

function fill(link, order) {
  const attempts = order.attempts ? `${order.attempts} failed` : "";
  const texts = [order.status, ago(order.changedAt), order.customer, `${order.currency} ${order.total}`, order.id, attempts];
  if (link.textContent !== texts.join("")) {
    const classes = [`status ${order.status}`, "time", "customer", "total", "id", "attempts"];
    link.replaceChildren(...texts.map((text, index) => el("span", { class: classes[index] }, text)));
  }
  const isOpen = location.hash === link.getAttribute("href");
  isOpen ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
}
