"""Checks that a stage, or the local run, takes an order, has it paid for and traces it: `npm run smoke`."""

import argparse
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import requests
from rich.console import Console

from tools.command import CommandFailed, add_stage, run
from tools.local_run import API_PORT, XRAY_PORT, no_local_run, xray_client
from tools.stage import Stage
from tools.trace.waterfall import is_complete
from tools.trace.xray import POLL_SECONDS, Traces

ORDER = {"customer_id": "smoke-test", "items": [{"sku": "SMOKE-1", "quantity": 1, "unit_price": "1.00"}]}
REQUEST_SECONDS = 30
LONGEST_DETAIL = 300


@dataclass(frozen=True)
class Target:
    """What is checked: the address of the orders, the headers that it asks for, and its traces."""

    orders_url: str
    headers: dict[str, str]
    traces: Traces


def main(arguments: Sequence[str]) -> int:
    """Print a line for each step, with its time. The first that fails ends the check: its reason, exit code 1."""
    options = _options(arguments)
    return run(lambda: _smoke(options))


def _smoke(options: argparse.Namespace) -> None:
    console = Console(soft_wrap=True, highlight=False)
    with _step(console, "The API is found"):
        target = _deployed(options) if options.stage else _local(options)
    console.print(f"  {target.orders_url}")
    with requests.Session() as session:
        session.headers.update(target.headers)
        _check(console, session, target, options.wait)


def _check(console: Console, session: requests.Session, target: Target, wait: float) -> None:
    # A client may decide that X-Ray records its request; otherwise a busy stage would record 1 in 20.
    trace = {"X-Amzn-Trace-Id": f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Sampled=1"}
    key = {"Idempotency-Key": f"smoke-{uuid4()}"}

    with _step(console, "An order is registered"):
        created = _request(session, "POST", target.orders_url, 201, json=ORDER, headers=key | trace)
    order_url = f"{target.orders_url}/{created['order_id']}"
    with _step(console, "Repeated with its Idempotency-Key, it is the same order"):
        repeated = _request(session, "POST", target.orders_url, 200, json=ORDER, headers=key)
        _expect(repeated["order_id"] == created["order_id"], f"another order was registered: {repeated['order_id']}")
    with _step(console, "An invalid order is refused"):
        refused = _request(session, "POST", target.orders_url, 422, json=ORDER | {"items": []})
        _expect(refused["errors"][0]["pointer"] == "/items", f"the wrong error is named: {refused['errors']}")
    with _step(console, "The order is PROCESSED"):
        order = _wait(lambda: _request(session, "GET", order_url, 200), lambda it: it["status"] != "PENDING", wait)
        _expect(order["status"] == "PROCESSED", f"after {wait:.0f} s the order is {order['status']}")
    with _step(console, "Its trace is complete"):
        trace_id, order_id = str(order.get("trace_id")), order["order_id"]
        documents = _wait(lambda: target.traces.read(trace_id), lambda it: is_complete(it, order_id), wait)
        found = f"{target.traces.source} has {len(documents)} parts of {trace_id}"
        _expect(is_complete(documents, order_id), f"after {wait:.0f} s {found}")


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    started = time.monotonic()
    try:
        with console.status(f"{title} …"):
            yield
    except Exception:
        console.print(f"[red]✘[/red] {title}")
        raise
    console.print(f"[green]✔[/green] {title:<58}{time.monotonic() - started:6.2f} s")


def _request(session: requests.Session, method: str, url: str, status: int, **options: Any) -> dict[str, Any]:  # noqa: ANN401  # requests' own
    try:
        response = session.request(method, url, timeout=REQUEST_SECONDS, **options)
    except requests.RequestException as error:
        raise CommandFailed(f"{method} {url}: {error}") from error
    answered = f"{method} {url} was answered {response.status_code}, not {status}: {response.text[:LONGEST_DETAIL]}"
    _expect(response.status_code == status, answered)
    body: dict[str, Any] = response.json()
    return body


def _wait[T](read: Callable[[], T], is_over: Callable[[T], bool], seconds: float) -> T:
    """Read until it is over, or the time is; returns what was read last."""
    deadline = time.monotonic() + seconds
    while not is_over(value := read()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return value


def _expect(condition: object, reason: str) -> None:
    if not condition:
        raise CommandFailed(reason)


def _deployed(options: argparse.Namespace) -> Target:
    stage = Stage.of(options.stage, options.region)
    url = options.url or stage.api_url()
    return Target(f"{url}/orders", {"x-api-key": stage.api_key()}, Traces(stage.session.client("xray")))


def _local(options: argparse.Namespace) -> Target:
    url = f"http://127.0.0.1:{options.port}/orders"
    try:
        requests.get(url, timeout=REQUEST_SECONDS)
    except requests.ConnectionError:
        raise no_local_run(options.port) from None
    headers = {"x-api-key": options.api_key} if options.api_key else {}
    return Target(url, headers, Traces(xray_client(f"http://127.0.0.1:{options.xray_port}"), is_local=True))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run smoke --", description=__doc__)
    add_stage(parser, "check this stage, not the local run")
    parser.add_argument("--url", help="the API's address, if it is not the stack's own (a custom domain)")
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help="for payment and trace (default: 60)")
    parser.add_argument("--port", type=int, default=API_PORT, help="of the local API (default: %(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="of a local run that asks for one")
    parser.add_argument("--xray-port", type=int, default=XRAY_PORT, help="of the local X-Ray (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
