"""The page's server, on the loopback: its static files, its parts as they are now, and its actions."""

import threading
import time
from collections import Counter
from heapq import nlargest
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, abort, get_template_attribute, request
from werkzeug.serving import make_server

from local.dynamodb import DynamoDBLocal
from local.page.actions import NAMES, Actions, Refused
from local.page.deliveries import AT_WORK, Deliveries
from local.page.filters import clock, curl, duration, pretty
from local.page.log_lines import FunctionLogs
from local.page.order import OrderReader
from local.page.payment_provider import LocalProvider
from local.page.table_watch import TableWatch
from local.stream_mapping import FunctionError, Invoke
from tools.repository import NEW_ORDER

ROWS = 200
RATE_SECONDS = 5
PARTS = ("injected", "flow", "promise", "rows", "controls", "deliveries", "order")  # macros of parts.html
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class OrderPage:
    """The page. Until `show` it says that the service is starting."""

    def __init__(self, port: int, provider: LocalProvider, api_key: str | None = None) -> None:
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._provider, self._api_key = provider, api_key
        self.deliveries, self.logs = Deliveries(), FunctionLogs()
        self._actions: Actions | None = None
        self._server = make_server("127.0.0.1", port, self._application(), threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(
        self, table_name: str, api_port: int, recover_orders: Invoke, dynamodb: DynamoDBLocal, xray_url: str
    ) -> None:
        """Serve what there is to see: the local run is ready."""
        self._watch = TableWatch(table_name, self.logs.accepted)
        self._orders = OrderReader(table_name, xray_url, self.logs)
        parts = self._provider, self.deliveries, dynamodb, recover_orders, self._watch
        self._actions = Actions(f"http://127.0.0.1:{api_port}/orders", table_name, *parts, api_key=self._api_key)

    def stop(self) -> None:
        """End the server, and let the deliveries that wait find that the local run ends."""
        self.deliveries.resumed.set()
        self._server.shutdown()
        self._server.server_close()

    def _application(self) -> Flask:
        application = Flask(__name__, static_url_path="")
        application.before_request(self._refuse_strangers)
        application.after_request(lambda response: response.headers.update(HEADERS) or response)
        application.jinja_env.filters |= {each.__name__: each for each in (clock, duration, pretty, curl)}
        application.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider
        application.add_url_rule("/", "page", lambda: application.send_static_file("index.html"))
        application.add_url_rule("/orders/<order_id>/logs", "logs", self.logs.of)
        application.add_url_rule("/example", "example", lambda: NEW_ORDER)
        application.add_url_rule("/parts", "parts", self._parts)
        application.add_url_rule("/actions/<name>", "actions", self._act, methods=["POST"])
        return application

    def _refuse_strangers(self) -> None:
        """Refuse other sites' pages: by the Origin that browsers send and, against DNS rebinding, by the Host."""
        origin = request.headers.get("Origin")
        if request.host not in self._hosts or (origin and origin.removeprefix("http://") not in self._hosts):
            abort(HTTPStatus.FORBIDDEN)

    def _act(self, name: str) -> tuple[dict[str, Any], HTTPStatus]:
        if self._actions is None or name not in NAMES:
            abort(HTTPStatus.NOT_FOUND)
        try:
            done = getattr(self._actions, name)(request.get_json())
        except (Refused, FunctionError) as refusal:
            return {"said": str(refusal)}, HTTPStatus.CONFLICT
        return {"said": done} if isinstance(done, str) else done, HTTPStatus.OK

    def _parts(self) -> dict[str, str]:
        """Return the HTML of each part of the page; nothing while the service is starting."""
        if self._actions is None:
            return {}
        state = self._state(self._actions, **request.args)
        return {name: get_template_attribute("parts.html", name)(state) for name in PARTS}

    def _state(self, actions: Actions, order: str = "", search: str = "", status: str = "") -> dict[str, Any]:
        rows, entries = self._watch.rows(), list(self.deliveries.entries)
        found = [row for row in rows if status in ("", row.status) and search.strip().lower() in row.order_id]
        recently = time.monotonic() - RATE_SECONDS
        return {
            "counts": Counter(row.status for row in rows),
            "accepted": len(rows),
            "deferred": sum(row.status == "PENDING" and row.attempts != "" for row in rows),
            "rate": sum(at > recently for at in list(self.logs.accepted.values())) / RATE_SECONDS,
            "twice": self._provider.ledger.charged_twice(),
            "found": len(found),
            "rows": nlargest(ROWS, found, key=lambda row: row.created_at),
            "actions": actions,
            "paused": not self.deliveries.resumed.is_set(),
            "delivering": sum(entry.records or 0 for entry in entries if entry.result == AT_WORK),
            "entries": entries[::-1],
            "open": order,
            "order": None if not order or actions.is_dynamodb_away else self._read(order),
        }

    def _read(self, order_id: str) -> dict[str, Any] | None:
        try:
            return self._orders.read(order_id)
        except (BotoCoreError, ClientError):  # DynamoDB Local is unavailable: the page asks again
            return None
