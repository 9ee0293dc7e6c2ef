"""The page's server, on the loopback: static files, a stream of events for each open page, and its actions."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, Response, abort, request, send_file
from werkzeug.serving import make_server

from local.dynamodb import DynamoDBLocal
from local.page.actions import NAMES, Actions, Refused
from local.page.deliveries import Deliveries
from local.page.log_lines import FunctionLogs
from local.page.order import OrderReader
from local.page.payment_provider import LocalProvider
from local.page.table_watch import TableWatch
from local.stream_mapping import FunctionError, Invoke
from tools.repository import ROOT

TICK_SECONDS = 0.25
TRACE_SECONDS = 6  # how long after an order's last change parts of its trace may still come
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass
class Reader:
    """What one open page shows, and what it has been sent."""

    order_id: str
    epoch: str
    revision: int
    sent: dict[str, Any] = field(default_factory=dict)
    order_version: object = None
    order_until: float = 0

    def news(self, state: dict[str, Any]) -> dict[str, Any]:
        """Return what of the state it does not have yet."""
        changed = {name: value for name, value in state.items() if self.sent.get(name) != value}
        self.sent |= changed
        return changed


class OrderPage:
    """The page. Until `show` it says that the service is starting."""

    def __init__(self, port: int, provider: LocalProvider, api_key: str | None = None) -> None:
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._provider, self._api_key = provider, api_key
        self.deliveries, self.logs = Deliveries(), FunctionLogs()
        self._actions: Actions | None = None
        self._ended = threading.Event()
        self._server = make_server("127.0.0.1", port, self._application(), threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(
        self, table_name: str, api_port: int, recover_orders: Invoke, dynamodb: DynamoDBLocal, xray_url: str
    ) -> None:
        """Serve what there is to see: the local run is ready."""
        self._watch = TableWatch(table_name)
        self._orders = OrderReader(table_name, xray_url, self.logs)
        parts = self._provider, self.deliveries, dynamodb, recover_orders, self._watch
        self._actions = Actions(api_port, table_name, *parts, api_key=self._api_key)

    def stop(self) -> None:
        """End all streams, and the server."""
        self._ended.set()
        self.deliveries.end()
        self._server.shutdown()
        self._server.server_close()

    def _application(self) -> Flask:
        application = Flask(__name__, static_folder="static", static_url_path="")
        application.before_request(self._refuse_strangers)
        application.after_request(lambda response: response.headers.update(HEADERS) or response)
        application.add_url_rule("/", "page", lambda: application.send_static_file("index.html"))
        application.add_url_rule("/openapi.json", "schema", lambda: send_file(ROOT / "openapi.json"))
        application.add_url_rule("/orders/<order_id>/logs", "logs", self.logs.of)
        application.add_url_rule("/events", "events", self._events)
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

    def _events(self) -> Response:
        """Stream what changes (server-sent events). The last event's id tells what a page that comes again has."""
        epoch, _, revision = (request.headers.get("Last-Event-ID") or request.args.get("last", "")).partition(".")
        reader = Reader(request.args.get("order", ""), epoch, int(revision) if revision.isdecimal() else 0)
        return Response(self._stream(reader), mimetype="text/event-stream")

    def _stream(self, reader: Reader) -> Iterator[str]:
        while not self._ended.is_set():
            news = self._state(reader, self._actions) if self._actions else reader.news({"starting": True})
            # DynamoDB's numbers are Decimals; those we store are whole. A comment fails once the page is closed.
            data = f"data: {json.dumps(news, default=int)}" if news else ":"
            yield f"id: {reader.epoch}.{reader.revision}\nretry: 1000\n{data}\n\n"
            self._ended.wait(TICK_SECONDS)

    def _state(self, reader: Reader, actions: Actions) -> dict[str, Any]:
        """Return what this page does not have yet."""
        self._watch.look()
        counts = self._watch.counts(self.logs.accepted)
        twice = self._provider.ledger.charged_twice()
        news = reader.news({
            "starting": False,
            "api": f"http://127.0.0.1:{actions.api_port}",
            "counts": {**counts, "twice": twice, "given_up": self.deliveries.given_up},
            "injected": actions.injected_failures(),
            "mood": self._provider.mood,
            "paused": self.deliveries.is_paused,
            "stream": [dict(entry) for entry in list(self.deliveries.entries)],
            **self._order(reader),
        })  # fmt: skip
        epoch, reader.revision, rows = self._watch.changed_since(reader.epoch, reader.revision)
        is_anew, reader.epoch = epoch != reader.epoch, epoch
        return {**news, "rows": rows, "anew": is_anew} if rows or is_anew else news

    def _order(self, reader: Reader) -> dict[str, Any]:
        """Return the order that the page shows; read it again as long as it changes."""
        order_id = reader.order_id
        version = self._watch.row(order_id), len(self.logs.lines.get(order_id, []))
        if version != reader.order_version:
            reader.order_version, reader.order_until = version, time.monotonic() + TRACE_SECONDS
        if not order_id or time.monotonic() > reader.order_until:
            return {}
        try:
            return {"order": self._orders.read(order_id)}
        except (BotoCoreError, ClientError):  # DynamoDB Local is unavailable: the next tick asks again
            reader.order_version = None
            return {}
