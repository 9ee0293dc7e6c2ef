"""`npm run trace`: what is read from where, and what is said of it."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from tests.unit.tools.test_waterfall import ORDER_ID, TRACE_ID, a_request, an_attempt
from tools.command import CommandFailed
from tools.trace import __main__ as trace
from tools.trace import search as search_module
from tools.trace.order_trace import order_trace
from tools.trace.search import Search
from tools.trace.xray import Traces

Printed = Callable[..., tuple[int, list[str], list[str]]]

SERVICE = "order-processor-dev"
CREATED_AT_MS = 1_795_505_695_000
CREATED = {
    "message": "Order created",
    "function_name": f"{SERVICE}-createOrder",
    "order_id": ORDER_ID,
    "status": "PENDING",
    "attempts": 0,
    "trace_id": TRACE_ID,
    "parent_id": "53995c3f42cd8ad8",
    "received_at_ms": CREATED_AT_MS,
    "stored_at_ms": CREATED_AT_MS + 30,
}


def an_attempt_line(seconds: float, status: str = "PROCESSED", attempts: int = 0) -> dict[str, Any]:
    """The log line of an attempt that began to wait so long after the order was created, and took 2.3 s."""
    names = {"queued": 0, "received": 200, "called": 200, "answered": 2_200, "recorded": 2_300}
    times = {f"{name}_at_ms": CREATED_AT_MS + round(seconds * 1000) + ms for name, ms in names.items()}
    ids = {name: CREATED[name] for name in ("order_id", "trace_id", "parent_id")}
    return {**ids, "message": "Order settled", "status": status, "attempts": attempts, **times}


LIFE = [CREATED, an_attempt_line(0.1, "PENDING", 1), an_attempt_line(30, attempts=1)]


class FakeTraces(Traces):
    """Has these documents, or cannot be read. Each read may have more than the one before."""

    def __init__(self, *reads: list[dict[str, Any]], failure: str = "") -> None:
        self.source, self._reads, self._failure = "X-Ray", list(reads), failure

    def read(self, trace_id: str) -> list[dict[str, Any]]:
        assert trace_id == TRACE_ID
        if self._failure:
            raise CommandFailed(self._failure)
        return self._reads.pop(0) if len(self._reads) > 1 else self._reads[0]


class FakeLogs:
    """Has these lines, or cannot be read."""

    def __init__(self, *lines: dict[str, Any], failure: str = "", notes: tuple[str, ...] = ()) -> None:
        self.notes, self.windows = list(notes), list[tuple[datetime, datetime]]()
        self._lines, self._failure = list(lines), failure

    def read(self, order_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        assert order_id == ORDER_ID
        self.windows.append((since, until))
        if self._failure:
            raise CommandFailed(self._failure)
        return self._lines


def a_search(traces: Traces, logs: FakeLogs, *, trace_id: str | None = TRACE_ID, xray_seconds: float = 0) -> Search:
    created_at = datetime.fromtimestamp(CREATED_AT_MS / 1000, UTC)
    return Search(ORDER_ID, trace_id, min(created_at, datetime.now(UTC)), None, SERVICE, traces, logs, xray_seconds)


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Runs the command on a search; returns its exit code, its output and its errors."""

    def run(search: Search, *options: str) -> tuple[int, list[str], list[str]]:
        def found(order_id: UUID, *_: int) -> Search:
            assert str(order_id) == ORDER_ID
            return search

        monkeypatch.setattr(trace, "search_local_run", found)
        monkeypatch.setattr(trace, "POLL_SECONDS", 0)
        monkeypatch.setenv("COLUMNS", "140")
        code = trace.main([ORDER_ID, *options])
        output, errors = ([line.rstrip() for line in text.splitlines()] for text in capsys.readouterr())
        return code, output, errors

    return run


def test_what_xray_has_completely_is_not_looked_for_in_the_logs(printed: Printed) -> None:
    logs = FakeLogs()

    code, output, errors = printed(a_search(FakeTraces([*a_request(), an_attempt("d", 0.4)]), logs))

    assert (code, output[0], errors, logs.windows) == (0, "From X-Ray.", [], [])
    assert output[1] == f"Order {ORDER_ID} · PROCESSED"


@pytest.mark.parametrize("trace_id", [TRACE_ID, None])
def test_an_order_that_xray_does_not_have_is_drawn_from_the_logs(printed: Printed, trace_id: str | None) -> None:
    lines = [an_attempt_line(0.1), CREATED]
    if not trace_id:
        lines = [{name: each for name, each in line.items() if name not in {"trace_id", "parent_id"}} for line in lines]

    code, output, _ = printed(a_search(FakeTraces([]), FakeLogs(*lines), trace_id=trace_id))

    assert code == 0
    assert output[0] == "From the logs: X-Ray has no part of this trace."
    assert [re.split("  +[0-9]", line)[0] for line in output[3:-2]] == [
        "order-processor-dev-createOrder POST",
        "  order-processor-dev-payment",
        "    stream wait",
        "    payment provider",
        "    DynamoDB BatchExecuteStatement order-processor-dev-orders",
    ]
    assert output[-2] == "request 30 ms · wait 200 ms · payment 2.00 s · end to end 2.40 s"
    assert output[-1] == f"trace {trace_id or '-'}"


@pytest.mark.parametrize(
    ("in_xray", "sources"),
    [
        ([0, 1, 2], "From X-Ray."),
        ([0, 1], "From X-Ray, but 1 of 2 attempts from the logs."),
        ([1, 2], "From X-Ray, but the request and 0 of 2 attempts from the logs."),
        ([2], "From X-Ray, but the request and 1 of 2 attempts from the logs."),
        ([], "From the logs: X-Ray has no part of this trace."),
    ],
)
def test_what_each_source_has_is_said_and_nothing_is_drawn_twice(in_xray: list[int], sources: str) -> None:
    made = order_trace([], LIFE, SERVICE).documents
    stored = json.loads(json.dumps([made[index] for index in in_xray]))

    whole = order_trace(stored, LIFE, SERVICE)

    assert whole.sources("X-Ray") == sources
    assert len(whole.documents) == len(made) == 3


def test_a_request_that_was_repeated_is_drawn_once() -> None:
    replayed = CREATED | {"message": "Order replayed", "stored_at_ms": CREATED_AT_MS + 60_000}

    [request, _, _] = order_trace([], [replayed, *LIFE], SERVICE).documents

    assert request["end_time"] == (CREATED_AT_MS + 30) / 1000


@pytest.mark.parametrize("age_seconds", [3_600, 0])
def test_a_segment_that_may_still_come_to_xray_is_waited_for(printed: Printed, age_seconds: float) -> None:
    shift = round(time.time() - age_seconds) * 1000 - CREATED_AT_MS
    lines = [{name: value + shift if name.endswith("_ms") else value for name, value in line.items()} for line in LIFE]
    lines = [*lines[:2], lines[2] | {"recorded_at_ms": lines[2]["queued_at_ms"]}]
    stored = order_trace([], lines, SERVICE).documents
    search = a_search(FakeTraces([], stored), FakeLogs(*lines), xray_seconds=10)

    _, output, _ = printed(search)

    assert output[0] == ("From X-Ray." if age_seconds == 0 else "From the logs: X-Ray has no part of this trace.")


def test_a_source_that_cannot_be_read_is_named_and_the_other_is_drawn(printed: Printed) -> None:
    lack = "Your AWS credentials lack the permission {}."
    no_xray, no_logs = lack.format("xray:BatchGetTraces"), lack.format("logs:FilterLogEvents")

    from_logs = printed(a_search(FakeTraces(failure=no_xray), FakeLogs(*LIFE, notes=("Old.",))))
    from_xray = printed(a_search(FakeTraces(a_request()), FakeLogs(failure=no_logs)), "--wait", "0")
    neither = printed(a_search(FakeTraces(failure=no_xray), FakeLogs(failure=no_logs)), "--wait", "0")

    assert from_logs[1][:3] == ["From the logs: X-Ray has no part of this trace.", no_xray, "Old."]
    assert from_xray[1][:2] == ["From X-Ray.", no_logs]
    assert from_xray[2] == ["Not complete after 0 s: the order is PENDING. Its trace so far:"]
    nothing = "Neither X-Ray nor the logs have a part of this trace."
    assert neither == (1, [], [f"{nothing} {no_xray} {no_logs}"])


def test_the_search_reads_to_the_orders_end_and_a_little_longer() -> None:
    ended_at, logs = datetime.fromtimestamp(CREATED_AT_MS / 1000, UTC), FakeLogs()

    Search(ORDER_ID, None, ended_at, ended_at, SERVICE, FakeTraces([]), logs, 0).read()

    assert logs.windows == [(ended_at, ended_at + search_module.LOG_DELAY)]
