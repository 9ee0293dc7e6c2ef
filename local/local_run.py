"""Starts all parts of the local run, watches them, and ends them together."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from local import serverless_yml
from local.child_process import LocalRunFailed
from local.dynamodb import DynamoDBLocal
from local.lambda_ import api_gateway
from local.lambda_.endpoint import invoker
from local.lambda_.function_processes import FunctionProcesses, debug
from local.lambda_.launcher import WARM_UP
from local.lambda_.serverless_offline import ServerlessOffline
from local.page.deliveries import Deliveries
from local.page.log_lines import FunctionLogs, readable
from local.page.payment_provider import FOLDER_VARIABLE, LocalProvider
from local.page.server import OrderPage
from local.stream_mapping import FunctionError, MappingEvent, MappingSettings, StreamMapping, UnsupportedMapping
from local.xray import LocalXRay

WATCH_SECONDS = 0.2
READY = """Ready in {:.0f} s: POST an order, GET it, see all with `npm run trace -- ORDER_ID`. Ctrl-C ends it.

  curl -i http://127.0.0.1:{}/orders -H 'Content-Type: application/json' -d @examples/order.json
"""


class Stopped(Exception):
    """The local run was asked to end."""


class Ports(NamedTuple):
    """The ports it listens on."""

    page: int
    api: int
    functions: int
    dynamodb: int
    xray: int


class LocalRun:
    """Runs until it is asked to end, our parent ends, or a part fails. No process is left behind."""

    def __init__(
        self,
        ports: Ports,
        database: Path | None = None,
        *,
        json: bool = False,
        debugged: tuple[str, int] | None = None,
        api_keys: Sequence[str] = (),
    ) -> None:
        self._ports, self._database, self._is_json = ports, database, json
        self._debugged, self._api_keys = debugged, api_keys
        self._is_asked_to_end = False
        self._stop = threading.Event()
        self._parent = os.getppid()

    def run(self) -> None:
        """Start every part and watch them; ends with Stopped or LocalRunFailed."""
        began = time.monotonic()
        with ExitStack() as parts:
            folder = self._database or Path(parts.enter_context(TemporaryDirectory(prefix="order-processor-")))
            os.environ.update(
                {"PAYMENT_PROVIDER": "local.page.payment_provider:provider", FOLDER_VARIABLE: str(folder)}
            )
            dynamodb = DynamoDBLocal(port=self._ports.dynamodb, database=self._database)
            parts.callback(dynamodb.stop)
            xray = LocalXRay(port=self._ports.xray)
            parts.callback(xray.stop)
            pool = parts.enter_context(ThreadPoolExecutor())
            parts.callback(self._stop.set)  # first, so that no part reports the end of another as an error
            page = OrderPage(self._ports.page, LocalProvider(folder), next(iter(self._api_keys), None))
            parts.callback(page.stop)
            starts = [pool.submit(start) for start in (serverless_yml.load, dynamodb.start, xray.start)]
            service, *_ = self._results(*starts)
            if self._debugged:
                debug(service, *self._debugged)
            if self._api_keys:
                api_gateway.ask_for_keys(service, self._api_keys)

            runtime_folder = Path(parts.enter_context(TemporaryDirectory(prefix="order-processor-")))
            take_line = partial(self._take_log_line, page.logs)
            functions = FunctionProcesses(service, runtime_folder, take_line)
            parts.callback(functions.kill)
            offline = ServerlessOffline(
                api_port=self._ports.api, lambda_port=self._ports.functions, virtual_env=runtime_folder, say=self.say
            )
            parts.callback(offline.kill)
            parts.callback(self._stop.set)
            self._results(*(pool.submit(part.wait_until_it_listens, self._stop) for part in (functions, offline)))
            table_name = serverless_yml.orders_table_definition(service)["TableName"]
            warm_ups = [pool.submit(self._warm_up, service, key) for key in service["functions"]]
            self._results(*warm_ups, pool.submit(dynamodb.warm_up, table_name))

            mappings = [
                pool.submit(self._stream_mapping(service, key, event, page.deliveries).run, self._stop)
                for key, event in serverless_yml.stream_events(service)
            ]
            page.show(
                table_name=table_name,
                api_port=self._ports.api,
                recover_orders=invoker(serverless_yml.function(service, "recoverOrders"), self._ports.functions),
                dynamodb=dynamodb,
                xray_url=xray.endpoint_url,
            )
            offline.show(kept=False)
            self.say(READY.format(time.monotonic() - began, self._ports.api))
            self._watch(dynamodb.check, functions.check, offline.check, partial(_check_mappings, mappings))

    def end(self, *_: object) -> None:
        """Ask it to end. This is a signal handler, so it takes no lock."""
        self._is_asked_to_end = True

    def say(self, line: str) -> None:
        """Print the line, unless the run is ending. If our output is closed, end."""
        if self._is_asked_to_end or self._stop.is_set():
            return
        try:
            print(f"{line}\n", end="", flush=True)  # one write, because several threads say something
        except OSError:
            self.end()

    def _take_log_line(self, logs: FunctionLogs, line: str) -> None:
        logs.add(line)
        shown = line if self._is_json else readable(line)
        if shown is not None:
            self.say(shown)

    def _warm_up(self, service: Mapping[str, Any], key: str) -> None:
        """Start an instance of a function, so that its first event need not wait for that."""
        try:
            invoker(serverless_yml.function(service, key), self._ports.functions)(WARM_UP)
        except FunctionError as error:
            raise LocalRunFailed(f"{key} cannot start: {error}") from error

    def _stream_mapping(
        self, service: Mapping[str, Any], key: str, event: Mapping[str, Any], deliveries: Deliveries
    ) -> StreamMapping:
        function = serverless_yml.function(service, key)
        table = serverless_yml.stream_table(service, event)

        def on_failure(message: dict[str, Any]) -> None:
            self.say(f"Stream mapping: the failure queue would get {message}")
            deliveries.take_failure(message)

        def on_event(event: MappingEvent) -> None:
            self.say(f"Stream mapping: {event.message}")
            deliveries.take_event(event)

        try:
            return StreamMapping(
                settings=MappingSettings.from_event(event),
                client=boto3.client("dynamodbstreams"),
                stream_arn=boto3.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"],
                function_arn=f"arn:aws:lambda:us-east-1:000000000000:function:{function['name']}",
                invoke=deliveries.watched(invoker(function, self._ports.functions)),
                on_failure=on_failure,
                on_event=on_event,
            )
        except (BotoCoreError, ClientError, UnsupportedMapping) as error:
            raise LocalRunFailed(f"The stream mapping of {key} cannot start: {error}") from error

    def _results(self, *futures: Future[Any]) -> list[Any]:
        """Return the results of all, or raise the first exception."""
        while wait(futures, WATCH_SECONDS, FIRST_EXCEPTION).not_done:
            self._check()
            for failed in (future for future in futures if future.done() and future.exception()):
                failed.result()
        self._check()
        return [future.result() for future in futures]

    def _watch(self, *checks: Callable[[], object]) -> None:
        while True:
            self._check()
            for check in checks:
                check()
            time.sleep(WATCH_SECONDS)

    def _check(self) -> None:
        if self._is_asked_to_end or os.getppid() != self._parent:
            raise Stopped


def _check_mappings(mappings: Iterable[Future[None]]) -> None:
    for ended in (mapping for mapping in mappings if mapping.done()):
        raise LocalRunFailed(f"A stream mapping has ended by itself: {ended.exception()}")
