// Keeps the page as the local run has it: asks for the HTML of its parts again and again, and shows what has changed.

const PAUSE_MS = 300, LIMIT_MS = 10_000;
export const find = (id) => document.getElementById(id);
const target = (element) => element.href ?? `${element.dataset.action} ${element.value}`; // of a link or a button
const openOrder = () => /^#\/orders\/([0-9a-f-]{36})$/.exec(location.hash)?.[1] ?? "";
const query = () => `${new URLSearchParams({ order: openOrder(), search: find("search").value, status: find("status").value })}`;
let shown = ""; // the answer that the page shows

async function update() {
  const asked = query();
  const answer = await fetch(`/parts?${asked}`, { signal: AbortSignal.timeout(LIMIT_MS) }).then((response) => response.text());
  const parts = Object.entries(JSON.parse(answer));
  if (asked !== query()) return; // the person has changed it meanwhile
  if (answer !== shown) for (const [id, html] of parts) show(find(id), html);
  shown = answer;
  tell(true, parts.length ? "Live" : "The service is starting …");
}

/** Show a part. Children that are the same are kept in place, and with them focus, selection and half a click. */
function show(place, html) {
  const parsed = document.createElement("template");
  parsed.innerHTML = html; // of our own template, which escapes all values
  const old = new Map([...place.children].map((child) => [child.source, child]));
  const children = [...parsed.content.children].map((child) => {
    const source = (child.source = child.outerHTML);
    const kept = old.get(source) ?? child;
    old.delete(source);
    return kept;
  });
  const gone = [...place.children].filter((child) => !children.includes(child));
  const focused = gone.some((child) => child.contains(document.activeElement)) && document.activeElement;
  for (const child of gone) child.remove();
  children.forEach((child, index) => place.children[index] === child || place.insertBefore(child, place.children[index] ?? null));
  if (focused) [...place.querySelectorAll("a, button")].find((each) => target(each) === target(focused))?.focus();
}

function tell(isConnected, text) {
  if (find("connection").textContent !== text) find("connection").textContent = text;
  document.body.classList.toggle("offline", !isConnected);
}

/** Run an action of the local run, show what it says, and return its answer. */
export async function act(name, argument = "") {
  const request = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(argument) };
  const answer = await fetch(`/actions/${name}`, request)
    .then((response) => response.json())
    .catch(() => ({ said: "The local run did not do that." }));
  if (answer.said) find("said").textContent = answer.said;
  return answer;
}

function open() {
  find("open").hidden = !openOrder();
  find("order-title").textContent = `Order ${openOrder()}`;
  show(find("order"), "<p>Loading …</p>");
  shown = "";
  if (openOrder()) find("order-title").focus();
}

addEventListener("hashchange", open);
addEventListener("click", ({ target }) => {
  const button = target.closest("[data-action]");
  if (button) act(button.dataset.action, button.value);
});
open();
(async () => {
  for (;;) {
    if (!document.hidden) await update().catch(() => tell(false, "Trying to connect …"));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
})();
