// The stream of events from the local run: it fills `state` and tells who listens what has changed.

export const state = { orders: new Map(), counts: {}, faults: [], stream: [], burst: {} };
const FIELDS = ["id", "customer", "total", "currency", "status", "createdAt", "changedAt", "attempts", "dueAt"];
const listeners = [];
let source, shownOrder = "", last = "";

export const listen = (listener) => listeners.push(listener);

/** Also send the events of one order, or of none. */
export function follow(orderId) {
  shownOrder = orderId;
  connect();
}

function connect() {
  source?.close();
  source = new EventSource(`/events?${new URLSearchParams({ order: shownOrder, last })}`);
  source.onopen = () => tell({ connected: true });
  source.onerror = () => {
    tell({ connected: false });
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, 1000);
  };
  source.onmessage = ({ data, lastEventId }) => {
    last = lastEventId;
    const { rows = [], anew, ...changes } = JSON.parse(data);
    if (anew) state.orders.clear();
    for (const row of rows) {
      const order = Object.fromEntries(FIELDS.map((field, index) => [field, row[index]]));
      state.orders.set(order.id, order);
    }
    if (rows.length || anew) changes.orders = rows.length;
    tell(changes);
  };
}

function tell(changes) {
  Object.assign(state, changes, { orders: state.orders });
  for (const listener of listeners) listener(changes);
}

// A page that nobody sees costs the local run nothing, and leaves its connection to the others.
document.addEventListener("visibilitychange", () => (document.hidden ? source?.close() : connect()));
