"""From POST to PROCESSED over HTTP, on the local run that `npm start` is."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import requests

from local.child_process import ChildProcess
from local.ports import free_port
from local.service import ROOT
from tools.bench.results import Row, Section, Spread, percentile
from tools.bench.stand import NEW_ORDER

LONGEST_SECONDS = 60
ASK_EVERY_SECONDS = 0.02
EXTRA_SECONDS = 0.5
# serverless-offline starts a process for each request that comes while others are being answered.
CLIENTS = 4


class LocalRunFailed(Exception):
    """`npm start` does not start, or loses an order; the message is what is known of it."""


def measure(delay_seconds: float, singles: int, burst: int, advance: Callable[[], None]) -> Section:
    """Single orders one after the other, then many at once."""
    with _local_run() as url:
        alone = []
        for _ in range(singles):
            alone.append(_until_processed(url))
            advance()
        together = _burst(url, burst)
        advance()
    target = (delay_seconds + EXTRA_SECONDS) / delay_seconds

    def row(what: str, values: list[float], percent: int, target: float | None = None) -> Row:
        seconds = percentile(values, percent)
        return Row(what, seconds, Spread.of([seconds / delay_seconds]), target)

    return Section(
        f"POST to PROCESSED over HTTP, local run ÷ the payment's {delay_seconds:g} s",
        [
            row("a single order (p50)", alone, 50, target),
            row("a single order (p99)", alone, 99),
            row(f"{burst} from {CLIENTS} clients at once (p50)", together, 50),
            row(f"{burst} from {CLIENTS} clients at once (p99)", together, 99),
        ],
    )


@contextmanager
def _local_run() -> Iterator[str]:
    names = ("--port", "--lambda-port", "--dynamodb-port", "--xray-port")
    ports = {name: str(free_port()) for name in names}
    command = [sys.executable, "-m", "local.start", *(word for pair in ports.items() for word in pair)]
    run = ChildProcess(command, output=subprocess.PIPE, folder=ROOT)
    try:
        lines = []
        for line in run.output:
            lines.append(line.decode())
            if lines[-1].startswith("  curl"):
                break
        else:
            raise LocalRunFailed("".join(lines))
        rest = threading.Thread(target=lambda: [None for _ in run.output], daemon=True)
        rest.start()
        yield f"http://127.0.0.1:{ports['--port']}/orders"
    finally:
        run.stop()


def _until_processed(url: str) -> float:
    began = time.time()
    order_id = _create(url)
    while (order := requests.get(f"{url}/{order_id}", timeout=LONGEST_SECONDS).json())["status"] != "PROCESSED":
        if time.time() - began > LONGEST_SECONDS:
            raise LocalRunFailed(f"Not processed: {order}")
        time.sleep(ASK_EVERY_SECONDS)
    return time.time() - began


def _burst(url: str, size: int) -> list[float]:
    """When each was processed is what the service says: to ask for them meanwhile would slow them down."""

    def create(_: int) -> tuple[float, str]:
        return time.time(), _create(url)

    with ThreadPoolExecutor(CLIENTS) as clients:
        created = list(clients.map(create, range(size)))
    took = []
    for began, order_id in created:
        while (order := requests.get(f"{url}/{order_id}", timeout=LONGEST_SECONDS).json())["status"] != "PROCESSED":
            if time.time() - began > LONGEST_SECONDS:
                raise LocalRunFailed(f"Not processed: {order}")
            time.sleep(1)
        took.append(datetime.fromisoformat(order["processed_at"]).timestamp() - began)
    return took


def _create(url: str) -> str:
    answer = requests.post(url, json=NEW_ORDER, timeout=LONGEST_SECONDS)
    answer.raise_for_status()
    order_id: str = answer.json()["order_id"]
    return order_id
