// Keeps `state` as the local run's stream of events tells it, and tells listeners what has changed.

export const state = { orders: new Map(), counts: {}, injected: [], stream: [] };
const FIELDS = ["id", "customer", "total", "currency", "status", "createdAt", "changedAt", "attempts", "dueAt"];
const listeners = [];
let source, orderId = "", last = "";

export const listen = (listener) => listeners.push(listener);

/** Open the stream again, with the events of one order as well, or with "" of none. */
export function connect(id = orderId) {
  source?.close();
  orderId = id;
  source = new EventSource(`/events?${new URLSearchParams({ order: orderId, last })}`);
  source.onopen = () => tell({ connected: true });
  source.onerror = ({ target }) => {
    tell({ connected: false });
    if (target === source && target.readyState === EventSource.CLOSED) setTimeout(() => connect(), 1000);
  };
  source.onmessage = ({ data, lastEventId }) => {
    last = lastEventId;
    const { rows, anew, ...changes } = JSON.parse(data);
    if (anew) state.orders.clear();
    for (const row of rows ?? []) state.orders.set(row[0], Object.fromEntries(FIELDS.map((name, i) => [name, row[i]])));
    tell(rows ? { ...changes, orders: state.orders } : changes);
  };
}

function tell(changes) {
  Object.assign(state, changes);
  for (const listener of listeners) listener(changes);
}

// A hidden page closes its stream, so it costs the local run nothing.
document.addEventListener("visibilitychange", () => (document.hidden ? source.close() : connect()));
