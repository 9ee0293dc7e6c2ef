"""The trace of an order: when it is complete, what comes from which source, and how it is drawn."""

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tools.command import CommandFailed
from tools.trace.order_trace import order_trace
from tools.trace.rows import rows
from tools.trace.search import LOG_DELAY, Search
from tools.trace.waterfall import draw, is_complete, status
from tools.trace.xray import Traces

ORDER_ID = "56c13c9e-7f8e-491c-aad2-7141148e58e3"
TRACE_ID = "1-6b053e1f-8b916bdcc49030015e43c5b9"
SERVICE = "order-processor-dev"
START_MS = 1_795_505_695_000
CREATED_AT = datetime.fromtimestamp(START_MS / 1000, UTC)
PUT = {"namespace": "aws", "aws": {"operation": "PutItem", "table_name": "orders"}}


def a_part(part_id: str, name: str, start: float, end: float, **fields: object) -> dict[str, Any]:
    times = {"start_time": START_MS / 1000 + start, "end_time": START_MS / 1000 + end}
    return {"id": part_id, "name": name, "trace_id": TRACE_ID, **times, **fields}


def a_request() -> list[dict[str, Any]]:
    """CreateOrder's segment, and its subsegments as documents of their own, as the SDK sends them."""
    return [
        a_part("c1", "dynamodb", 0.1, 0.11, parent_id="b1", **PUT),
        a_part("b1", "## lambda_handler", 0.001, 0.239, parent_id="a1", type="subsegment"),
        a_part("a1", "createOrder", 0, 0.24, http={"request": {"method": "POST"}}),
    ]


def an_attempt(
    part_id: str, start: float, status: str = "PROCESSED", *, number: int = 0, **fields: object
) -> dict[str, Any]:
    """ProcessPayment's segment, with its subsegments in it: the failed one of this number, or after so many failed."""
    failed = {"fault": True} if status == "PENDING" else {}
    subsegments = [
        a_part(f"{part_id}1", "stream wait", 0.11, start),
        a_part(f"{part_id}2", "payment provider", start, start + 2, namespace="remote", **failed),
    ]
    annotations = {"order_id": ORDER_ID, "status": status, "attempts": number}
    attempt = a_part(part_id, "processPayment", 0.11, start + 2, parent_id="b1", annotations=annotations, **failed)
    return {**attempt, "subsegments": subsegments, **fields}


def drawn(*documents: dict[str, Any]) -> list[str]:
    output = StringIO()
    Console(file=output, width=90).print(draw("Order 56c1 · PROCESSED", documents, 90))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_an_order_from_its_request_to_its_payment() -> None:
    inferred_by_xray = a_part("f", "orders", 0.1, 0.11, parent_id="c1", inferred=True, origin="AWS::DynamoDB::Table")

    assert drawn(an_attempt("d", 0.4), inferred_by_xray, *a_request()) == [
        "Order 56c1 · PROCESSED",
        "                               start     took  0                                    2.40 s",
        "createOrder POST                0 ms   240 ms  ████▎",
        "  ## lambda_handler             1 ms   238 ms  ████▎",
        "    dynamodb PutItem orders   100 ms    10 ms   ▕",
        "    processPayment            110 ms   2.29 s   ▕█████████████████████████████████████████",
        "      stream wait             110 ms   290 ms   ▕█████▏",
        "      payment provider        400 ms   2.00 s         ████████████████████████████████████",
        "request 240 ms · wait 290 ms · payment 2.00 s · end to end 2.40 s",
        "trace 1-6b053e1f-8b916bdcc49030015e43c5b9",
    ]


def test_failed_attempts_are_counted_and_their_faults_are_red_and_errors_yellow() -> None:
    documents = [*a_request(), an_attempt("d", 0.4, "PENDING"), an_attempt("e", 500, "DECLINED", error=True)]
    styles = {row.document["id"]: row.style for row in rows(documents)}

    assert drawn(*documents)[-2] == "request 240 ms · wait 290 ms · payment 2.00 s · 2 attempts · end to end 8 min"
    assert (styles["d"], styles["d2"], styles["e"], styles["a1"]) == ("red", "red", "yellow", "green")
    assert status(documents, ORDER_ID) == "DECLINED"


FAILED = [an_attempt(f"f{number}", 0.4, "PENDING", number=number) for number in (1, 2)]
DECLINED = an_attempt("d", 0.4, "DECLINED", number=2)


@pytest.mark.parametrize(
    ("documents", "is_whole"),
    [
        ([*a_request(), an_attempt("d", 0.4)], True),
        ([*a_request(), *FAILED, DECLINED], True),
        ([*a_request(), FAILED[1], DECLINED], False),
        (a_request(), False),
        ([*a_request(), FAILED[0]], False),
        ([*a_request()[:2], an_attempt("d", 0.4)], False),
        ([*a_request(), an_attempt("d", 0.4, in_progress=True)], False),
        ([*a_request(), an_attempt("d", 0.4, annotations={"order_id": "another", "status": "PROCESSED"})], False),
    ],
    ids=[
        *("paid at once", "declined at the third attempt", "a failed attempt is missing", "no payment"),
        *("a failed payment", "no request", "in progress", "another order"),
    ],
)
def test_a_trace_with_the_settled_payment_and_all_failed_attempts_is_complete(
    documents: list[dict[str, Any]], *, is_whole: bool
) -> None:
    assert is_complete(documents, ORDER_ID) is is_whole


CREATED = {
    "message": "Order created",
    "function_name": f"{SERVICE}-createOrder",
    "order_id": ORDER_ID,
    "trace_id": TRACE_ID,
    "parent_id": "53995c3f42cd8ad8",
    "received_at_ms": START_MS,
    "stored_at_ms": START_MS + 30,
}
REPLAYED = CREATED | {"message": "Order replayed", "stored_at_ms": START_MS + 60_000}


def an_attempt_line(seconds: float, status: str) -> dict[str, Any]:
    """The log line of an attempt after one that failed, or of that one. It began to wait so long after the request."""
    names = {"queued": 0, "received": 200, "called": 200, "answered": 2_200, "recorded": 2_300}
    times = {f"{name}_at_ms": START_MS + round(seconds * 1000) + ms for name, ms in names.items()}
    ids = {name: CREATED[name] for name in ("order_id", "trace_id", "parent_id")}
    return {**ids, "message": "Order settled", "status": status, "attempts": 1, **times}


LINES = [REPLAYED, CREATED, an_attempt_line(0.1, "PENDING"), an_attempt_line(30, "PROCESSED")]


@pytest.mark.parametrize(
    ("in_xray", "sources"),
    [
        ([0, 1, 2], "From X-Ray."),
        ([0, 1], "From X-Ray, but 1 of 2 attempts from the logs."),
        ([2], "From X-Ray, but the request and 1 of 2 attempts from the logs."),
        ([], "From the logs: X-Ray has no part of this trace."),
    ],
)
def test_what_each_source_has_is_said_and_nothing_is_drawn_twice(in_xray: list[int], sources: str) -> None:
    made = order_trace([], LINES, SERVICE).documents
    stored = json.loads(json.dumps([made[index] for index in in_xray]))

    whole = order_trace(stored, LINES, SERVICE)

    assert whole.sources("X-Ray") == sources
    assert len(whole.documents) == len(made) == 3
    assert is_complete(whole.documents, ORDER_ID)


def test_an_order_without_a_trace_is_drawn_from_the_logs() -> None:
    lines = [{name: value for name, value in line.items() if name not in {"trace_id", "parent_id"}} for line in LINES]

    documents = order_trace([], lines, SERVICE).documents

    assert is_complete(documents, ORDER_ID)
    assert drawn(*documents)[-1] == "trace -"


class FakeTraces(Traces):
    """Has these documents, or cannot be read."""

    def __init__(self, documents: list[dict[str, Any]] | CommandFailed) -> None:
        self._documents = documents

    def read(self, trace_id: str) -> list[dict[str, Any]]:
        assert trace_id == TRACE_ID
        if isinstance(self._documents, CommandFailed):
            raise self._documents
        return self._documents


class FakeLogs:
    """Has LINES, or cannot be read."""

    def __init__(self, failure: CommandFailed | None = None) -> None:
        self.notes, self.windows = list[str](), list[tuple[datetime, datetime]]()
        self._failure = failure

    def read(self, order_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        assert order_id == ORDER_ID
        self.windows.append((since, until))
        if self._failure:
            raise self._failure
        return LINES


def a_search(documents: list[dict[str, Any]] | CommandFailed, logs: FakeLogs) -> Search:
    return Search(ORDER_ID, TRACE_ID, CREATED_AT, CREATED_AT, SERVICE, FakeTraces(documents), logs, 0)


def test_the_logs_are_read_to_the_orders_end_if_xray_does_not_have_all() -> None:
    complete, incomplete = FakeLogs(), FakeLogs()

    a_search([*a_request(), an_attempt("d", 0.4)], complete).read()
    a_search(a_request(), incomplete).read()

    assert (complete.windows, incomplete.windows) == ([], [(CREATED_AT, CREATED_AT + LOG_DELAY)])


def test_a_source_that_cannot_be_read_is_named_and_the_other_is_drawn() -> None:
    no_xray, no_logs = CommandFailed("no X-Ray"), CommandFailed("no logs")
    from_logs, from_xray = a_search(no_xray, FakeLogs()), a_search(a_request(), FakeLogs(no_logs))

    assert (len(from_logs.read().documents), from_logs.notes) == (3, ["no X-Ray"])
    assert (from_xray.read().documents, from_xray.notes) == (a_request(), ["no logs"])
