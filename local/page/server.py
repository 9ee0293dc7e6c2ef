"""The page's server, on the loopback: static files, a stream of events for each open page, and its actions."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, abort, request, send_file
from werkzeug.serving import make_server

from local.dynamodb import DynamoDBLocal
from local.page.actions import Actions, Refused
from local.page.deliveries import Deliveries
from local.page.logs import FunctionLogs
from local.page.order import OrderReader
from local.page.table_watch import TableWatch
from local.payment_provider import LocalProvider
from local.service import ROOT
from local.stream_mapping import Invoke

TICK_SECONDS = 0.25
HEARTBEAT_SECONDS = 5  # how soon a page that is gone is noticed
TRACE_SECONDS = 6  # how long after an order's last change parts of its trace may still come
LOST_SECONDS = 5  # how long an order that was accepted may be on its way through the stream to us
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src data:; frame-ancestors 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass
class Parts:
    """What the page shows, once the local run is ready."""

    watch: TableWatch
    reader: OrderReader
    actions: Actions


@dataclass
class Reader:
    """What one open page has been sent."""

    order_id: str
    epoch: str
    revision: int
    sent: dict[str, Any] = field(default_factory=dict)
    order_version: object = None
    order_until: float = 0


class OrderPage:
    """The page, from before the local run is ready until it ends."""

    def __init__(self, port: int, provider: LocalProvider) -> None:
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._provider = provider
        self.deliveries, self.logs = Deliveries(), FunctionLogs()
        self._parts: Parts | None = None
        self._ended = threading.Event()
        self._server = make_server("127.0.0.1", port, self._application(), threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """Serve; the page says that the service is starting."""
        self._thread.start()

    def show(
        self, table_name: str, api_port: int, recover_orders: Invoke, dynamodb: DynamoDBLocal, xray_url: str
    ) -> None:
        """Serve what there is to see: the local run is ready."""
        watch = TableWatch(table_name)
        self._parts = Parts(
            watch=watch,
            reader=OrderReader(table_name, xray_url, self.logs),
            actions=Actions(api_port, table_name, self._provider, self.deliveries, dynamodb, recover_orders, watch),
        )

    def stop(self) -> None:
        """End all streams, and the server."""
        self._ended.set()
        self.deliveries.end()
        self._server.shutdown()
        self._server.server_close()

    def _application(self) -> Flask:
        application = Flask(__name__, static_folder="static", static_url_path="")
        application.before_request(self._refuse_strangers)
        application.after_request(_secured)
        application.add_url_rule("/", "page", lambda: application.send_static_file("index.html"))
        application.add_url_rule("/openapi.json", "schema", lambda: send_file(ROOT / "openapi.json"))
        application.add_url_rule("/events", view_func=self._events)
        application.add_url_rule("/actions/<name>", view_func=self._act, methods=["POST"])
        return application

    def _refuse_strangers(self) -> None:
        """Refuse other sites' pages: by the Origin that browsers send, and, against DNS rebinding, by the Host."""
        origin = request.headers.get("Origin")
        if request.host not in self._hosts or (origin and origin.removeprefix("http://") not in self._hosts):
            abort(HTTPStatus.FORBIDDEN)

    def _act(self, name: str) -> tuple[dict[str, Any], HTTPStatus]:
        action = self._parts and self._parts.actions.named(name)
        if not action:
            abort(HTTPStatus.NOT_FOUND)
        try:
            return action(request.get_json()), HTTPStatus.OK
        except Refused as refusal:
            return {"said": str(refusal)}, HTTPStatus.CONFLICT

    def _events(self) -> Response:
        """Stream what changes (server-sent events). The last event's id tells what a page that comes again has."""
        last = request.headers.get("Last-Event-ID") or request.args.get("last", "")
        epoch, _, revision = last.partition(".")
        reader = Reader(request.args.get("order", ""), epoch, int(revision) if revision.isdecimal() else 0)
        return Response(self._stream(reader), mimetype="text/event-stream")

    def _stream(self, reader: Reader) -> Iterator[str]:
        yield "retry: 1000\n\n"
        heard_at = time.monotonic()
        while not self._ended.is_set():
            if news := self._news(reader):
                data = json.dumps(news, default=int)  # DynamoDB's numbers: all that we store are whole
                yield f"id: {reader.epoch}.{reader.revision}\ndata: {data}\n\n"
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > HEARTBEAT_SECONDS:
                yield ":\n\n"
                heard_at = time.monotonic()
            self._ended.wait(TICK_SECONDS)

    def _news(self, reader: Reader) -> dict[str, Any]:
        """Return what this page does not have yet."""
        if self._parts is None:
            return _changed(reader, {"starting": True})
        watch, actions = self._parts.watch, self._parts.actions
        watch.look()
        epoch, reader.revision, rows = watch.changed_since(reader.epoch, reader.revision)
        is_anew, reader.epoch = epoch != reader.epoch, epoch
        state = {
            "starting": False,
            "api": f"http://127.0.0.1:{actions.api_port}",
            "counts": self._counts(watch, actions),
            "faults": actions.faults(),
            "mood": actions.provider.mood,
            "paused": self.deliveries.is_paused,
            "burst": dict(actions.burst),
            "stream": self.deliveries.entries(),
        }
        return {
            **({"rows": rows, "anew": is_anew} if rows or is_anew else {}),
            **_changed(reader, state | self._order(reader, self._parts)),
        }

    def _counts(self, watch: TableWatch, actions: Actions) -> dict[str, int]:
        ledger = actions.provider.ledger
        ledger.read()
        twice = sum(count > 1 for count in ledger.charges.values())
        return watch.counts(self.logs.accepted, LOST_SECONDS) | {
            "twice": twice,
            "given_up": self.deliveries.given_up,
        }

    def _order(self, reader: Reader, parts: Parts) -> dict[str, Any]:
        """Return the order that the page shows, read anew for as long as it changes."""
        if not reader.order_id:
            return {}
        version = parts.watch.row(reader.order_id), len(self.logs.of(reader.order_id))
        if version != reader.order_version:
            reader.order_version, reader.order_until = version, time.monotonic() + TRACE_SECONDS
        if time.monotonic() > reader.order_until:
            return {}
        return {"order": parts.reader.read(reader.order_id)}


def _changed(reader: Reader, state: dict[str, Any]) -> dict[str, Any]:
    changed = {name: value for name, value in state.items() if reader.sent.get(name) != value}
    reader.sent |= changed
    return changed


def _secured(response: Response) -> Response:
    response.headers.update(SECURITY_HEADERS)
    return response
