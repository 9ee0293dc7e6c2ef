"""The service as its user runs it: `npm start`, on free ports, ended as its user would end it."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import IO, TYPE_CHECKING, Any, cast

import boto3
import pytest
import requests
from playwright.sync_api import Browser, sync_playwright

from local import serverless_yml
from local.ports import free_port
from tests.builders import HOSTILE_SHELL, VALID, an_item
from tests.e2e.page.browser import find_browser
from tests.waiting import eventually
from tools.repository import ROOT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ORDERS_TABLE = "order-processor-dev-orders"
READY_SECONDS = 120
ANSWER_SECONDS = 60
SETTLE_SECONDS = 120
END_SECONDS = 20
ENDED = "Ended, and all that was started with it."

_load_once = cache(serverless_yml.load)


def processes() -> dict[int, tuple[int, str]]:
    """Every living process: its parent and its command line."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,command="], capture_output=True, text=True, check=True
    )
    rows = (line.split(None, 3) for line in listed.stdout.splitlines())
    return {int(pid): (int(parent), command) for pid, parent, stat, command in rows if not stat.startswith("Z")}


class Service:
    """A running `npm start`, or another command that starts the same, and all that it printed."""

    def __init__(
        self,
        *more_options: str,
        command: Sequence[str] = ("npm", "start", "--"),
        folder: Path = ROOT,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        names = ("--page-port", "--port", "--lambda-port", "--dynamodb-port", "--xray-port")
        ports = {name: free_port() for name in names}
        options = [*(word for name, port in ports.items() for word in (name, str(port))), *more_options]
        self.page_port, self.port, self.lambda_port, self.dynamodb_port, self.xray_port = map(str, ports.values())
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.orders_url = f"{self.base_url}/orders"
        self.page_url = f"http://127.0.0.1:{self.page_port}/"
        self.headers: dict[str, str] = {}  # of its requests
        self.lines: list[str] = []
        self.greeting: list[str] = []
        self.process = subprocess.Popen(
            [*command, *options],
            cwd=folder,
            env={**os.environ, **HOSTILE_SHELL, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._is_ready = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_until_ready(self) -> None:
        """Wait for the command that the last line offers."""
        assert self._is_ready.wait(READY_SECONDS), f"not ready in {READY_SECONDS} s: {self.lines}"
        assert self.process.poll() is None, self.lines

    def create(self, total: str = "699.80") -> str:
        """Create an order of one article at a price; returns the order's id."""
        body = {**VALID, "items": [an_item(quantity=1, unit_price=total)]}
        created = requests.post(self.orders_url, json=body, headers=self.headers, timeout=ANSWER_SECONDS)
        assert created.status_code == 201, created.text
        return str(created.json()["order_id"])

    def order(self, order_id: str) -> dict[str, Any]:
        """Return an order, as the API shows it."""
        url = f"{self.orders_url}/{order_id}"
        return dict(requests.get(url, headers=self.headers, timeout=ANSWER_SECONDS).json())

    def settled(self, order_id: str) -> dict[str, Any]:
        """Wait until an order is no longer PENDING, and return it."""
        eventually(lambda: self.order(order_id)["status"] != "PENDING", SETTLE_SECONDS)
        return self.order(order_id)

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """A client of its DynamoDB Local."""
        return boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{self.dynamodb_port}")

    def store(self, item: Mapping[str, Any]) -> None:
        """Put an item into its orders table, past the API."""
        self.dynamodb.put_item(TableName=ORDERS_TABLE, Item=item)

    def family(self) -> dict[int, str]:
        """The processes that it started, and theirs."""
        living, found = processes(), {self.process.pid}
        while new := {pid for pid, (parent, _) in living.items() if parent in found} - found:
            found |= new
        return {pid: living[pid][1] for pid in found & living.keys()}

    def end(self, number: signal.Signals) -> list[str]:
        """End it as a terminal does, by its process group; returns what did not end."""
        family = self.family()
        os.killpg(self.process.pid, number)
        return self._wait_for_end(family)

    def kill(self, command: str) -> list[str]:
        """Kill those of its processes that run a command; returns what did not end."""
        family = self.family()
        for pid in (pid for pid, line in family.items() if command in line):
            os.kill(pid, signal.SIGKILL)
        return self._wait_for_end(family)

    def _wait_for_end(self, family: dict[int, str]) -> list[str]:
        """Wait some seconds until none of the family is left; kill and return the processes that are."""
        self.process.wait(END_SECONDS)
        with suppress(AssertionError):
            eventually(lambda: not family.keys() & processes().keys(), END_SECONDS)
        left = family.keys() & processes().keys()
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self._reader.join(END_SECONDS)
        return [family[pid] for pid in left]

    def _read(self) -> None:
        with cast("IO[str]", self.process.stdout) as output:
            for line in output:
                self.lines.append(line.rstrip())
                if line.startswith("  curl"):
                    self.greeting = list(self.lines)
                    self._is_ready.set()
        self._is_ready.set()


@contextmanager
def npm_start(*options: str, start: Callable[..., Service] = Service) -> Iterator[Service]:
    """A service of one's own, ended in any case."""
    service = start(*options)
    try:
        service.wait_until_ready()
        yield service
    finally:
        if service.process.poll() is None:
            assert service.end(signal.SIGHUP) == []  # as when the terminal is closed; Ctrl-C has a test of its own
            assert service.lines[-1] == ENDED


@pytest.fixture(scope="package")
def service() -> Iterator[Service]:
    """The service that the tests of this folder share. One that disturbs it starts its `own`."""
    with npm_start() as running:
        yield running
        assert running.kill("npm start") == []  # as an editor's stop button does


@pytest.fixture(scope="module")  # and not longer: as long as Playwright runs, this thread can run no other event loop
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium refuses to run as root, as CI's containers do, in its sandbox; it opens our own page alone.
        running = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(autouse=True)
def _serverless_yml_is_resolved_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands share what the Serverless Framework takes seconds for."""
    monkeypatch.setattr(serverless_yml, "load", _load_once)
