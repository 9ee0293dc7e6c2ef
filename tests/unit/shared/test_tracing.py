"""One order, one trace: the header that an order carries, and the segments that continue from it."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from unittest.mock import Mock

import pytest
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.lambda_launcher import LambdaContext
from aws_xray_sdk.core.models.entity import Entity
from aws_xray_sdk.core.models.trace_header import TraceHeader
from botocore.exceptions import ClientError, EndpointConnectionError

from functions import create_order, process_payment
from shared import clock, tracing
from shared.observability import tracer
from shared.order import Order, Status
from shared.order_table import OrderTable
from shared.tracing import Attempt, segment_of_attempt
from simulation.aws.memory_dynamodb import refusal
from tests.builders import VALID, Context, FailingDynamoDB, FakeProvider, XRay, a_batch, a_request, an_order
from tests.unit.conftest import log_lines

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"  # "Lambda environment variables", AWS Lambda Developer Guide

pytestmark = pytest.mark.usefixtures("provider", "table")


@pytest.mark.parametrize(
    ("header", "stored"),
    [
        (f"Root={ROOT};Parent={PARENT};Sampled=0;Lineage=1:2:3", f"Root={ROOT};Parent={PARENT};Sampled=0"),
        ("", None),
    ],
)
def test_a_created_order_is_in_the_trace_of_its_request(
    table: OrderTable, monkeypatch: pytest.MonkeyPatch, header: str, stored: str | None
) -> None:
    monkeypatch.setenv(HEADER_VARIABLE, header)

    assert created(table).trace_header == stored


def created(table: OrderTable) -> Order:
    """Create an order over the API, and read it from the table."""
    answer = create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())
    return table.get(json.loads(answer["body"])["order_id"])


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the X-Ray SDK sends of a sampled request, switched on as in Lambda."""
    sent: list[dict[str, Any]] = []

    class Emitter:
        def send_entity(self, entity: Entity) -> None:
            sent.append(json.loads(entity.serialize()))

    monkeypatch.setenv(HEADER_VARIABLE, f"Root={ROOT};Parent={PARENT};Sampled=1")
    monkeypatch.setattr(tracer, "disabled", False)
    monkeypatch.setattr(xray_recorder, "context", LambdaContext())
    monkeypatch.setattr(xray_recorder, "emitter", Emitter())
    monkeypatch.setattr(xray_recorder, "streaming_threshold", 0)
    global_sdk_config.set_sdk_enabled(True)
    yield sent
    global_sdk_config.set_sdk_enabled(False)


def test_the_payment_continues_from_the_handler_that_created_the_order(
    table: OrderTable, sdk: list[dict[str, Any]]
) -> None:
    order = created(table)

    [handler] = [part for part in sdk if part["name"] == "## lambda_handler"]
    assert (handler["trace_id"], handler["parent_id"]) == (ROOT, PARENT)
    assert handler["annotations"]["order_id"] == str(order.order_id)
    assert order.trace_header == f"Root={ROOT};Parent={handler['id']};Sampled=1"


def test_a_request_that_is_not_valid_leaves_nothing_of_its_content_in_the_trace(sdk: list[dict[str, Any]]) -> None:
    create_order.lambda_handler(a_request("POST", "/orders", {**VALID, "currency": "secret"}), Context())

    [handler] = sdk
    assert (handler["name"], handler["trace_id"]) == ("## lambda_handler", ROOT)
    assert "secret" not in json.dumps(handler)


@pytest.fixture
def xray(monkeypatch: pytest.MonkeyPatch) -> XRay:
    xray = XRay()
    monkeypatch.setattr(process_payment, "xray", xray)
    return xray


def deliver(*orders: Order) -> int:
    """Create orders and deliver their batch; return how many of its records failed."""
    for order in orders:
        process_payment.orders.create(order)
    return deliver_event(a_batch(orders))


def deliver_event(event: dict[str, Any]) -> int:
    return len(process_payment.lambda_handler(event, Context())["batchItemFailures"])


def sampled(count: int) -> list[Order]:
    return [an_order(sampled=True) for _ in range(count)]


def flags(segment: dict[str, Any]) -> tuple[str, list[set[str]]]:
    """The status, and how the segment and its three parts are flagged."""
    parts = [segment, *segment["subsegments"]]
    return segment["annotations"]["status"], [{flag for flag in ("error", "fault") if part.get(flag)} for part in parts]


def cause(part: dict[str, Any]) -> tuple[str, str]:
    [exception] = part["cause"]["exceptions"]
    return exception["type"], exception["message"]


def test_a_payment_is_a_segment_of_the_orders_own_trace(xray: XRay) -> None:
    [order] = sampled(1)
    header = TraceHeader.from_header_str(order.trace_header)

    deliver(order)

    [segment] = xray.segments
    assert (header.root, header.parent) == (segment["trace_id"], segment["parent_id"])
    # A name of its own and no origin: X-Ray would else count it as an invocation of the function.
    assert segment["name"] == "order-processor-test-payment"
    assert "origin" not in segment
    assert segment["annotations"] == {"order_id": str(order.order_id), "status": "PROCESSED", "attempts": 0}
    wait, payment, write = segment["subsegments"]
    assert (wait["name"], payment["name"], write["name"]) == ("stream wait", "payment provider", "DynamoDB")
    assert (payment["namespace"], write["namespace"]) == ("remote", "aws")
    assert write["aws"] == {"operation": "BatchExecuteStatement", "table_name": "orders"}
    assert flags(segment) == ("PROCESSED", [set(), set(), set(), set()])
    assert order.customer_id not in json.dumps(segment)
    assert order.items[0].sku not in json.dumps(segment)


def test_a_segment_whose_trace_names_no_parent_is_at_the_top(xray: XRay) -> None:
    deliver(an_order().model_copy(update={"trace_header": f"Root={ROOT};Sampled=1"}))

    [segment] = xray.segments
    assert "parent_id" not in segment


@pytest.mark.parametrize(("recorded_after", "starts_after"), [(-0.9, 0), (2, 2), (None, 0), (3600, 5)])
def test_the_wait_starts_when_the_record_was_written_but_never_before_its_order_was_created(
    xray: XRay, recorded_after: float | None, starts_after: float
) -> None:
    [order] = sampled(1)
    order = order.model_copy(update={"created_at": order.created_at - timedelta(seconds=5)})
    process_payment.orders.create(order)
    event = a_batch([order])
    created_at = event["Records"][0]["dynamodb"].pop("ApproximateCreationDateTime")
    if recorded_after is not None:
        event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = created_at + recorded_after

    assert deliver_event(event) == 0

    [segment] = xray.segments
    wait, payment, write = segment["subsegments"]
    assert segment["start_time"] == wait["start_time"]
    # A stream whose clock is ahead starts nothing after its end.
    assert wait["start_time"] == pytest.approx(created_at + starts_after, abs=1 if starts_after == 5 else 0.001)
    assert wait["end_time"] >= created_at + 5
    assert wait["end_time"] <= payment["start_time"] <= payment["end_time"] <= write["start_time"]
    assert write["start_time"] <= write["end_time"] == segment["end_time"] <= time.time()


def test_the_trace_of_a_batch_tells_how_many_orders_it_has(annotations: dict[str, object]) -> None:
    deliver(an_order(), an_order(), an_order())

    assert annotations == {"orders": 3}


def test_a_clock_that_is_set_back_ends_nothing_before_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    [order] = sampled(1)
    times = iter([1000, 1001, 995, 996])  # received, called, answered, recorded
    monkeypatch.setattr(clock, "now_ms", lambda: next(times) * 1000)

    attempt = Attempt(order, queued_at=999.0)
    with attempt.calling_provider():
        pass
    attempt.recorded(order)

    segment = segment_of_attempt(attempt.fields, service="service", table="orders")
    assert [(part["start_time"], part["end_time"]) for part in [*segment["subsegments"], segment]] == [
        (999.0, 1000.0),
        (1001.0, 1001.0),
        (1001.0, 1001.0),
        (999.0, 1001.0),
    ]


def test_a_declined_payment_is_an_error(xray: XRay, provider: FakeProvider) -> None:
    [order] = sampled(1)
    provider.declined = {order.order_id}

    deliver(order)

    [segment] = xray.segments
    _, payment, _ = segment["subsegments"]
    assert flags(segment) == ("DECLINED", [{"error"}, set(), {"error"}, set()])
    assert (cause(payment), payment["namespace"]) == (("Declined", "insufficient funds"), "remote")


def test_a_deferred_payment_is_a_fault_without_the_adapters_message(xray: XRay, provider: FakeProvider) -> None:
    provider.when_asked = Mock(side_effect=RuntimeError("card 4111111111111111 of Ana"))

    assert deliver(*sampled(1)) == 0

    [segment] = xray.segments
    assert flags(segment) == ("PENDING", [{"fault"}, set(), {"fault"}, set()])
    assert cause(segment["subsegments"][1]) == ("ProviderUnavailable", "RuntimeError")
    assert "Ana" not in json.dumps(segment)


def test_an_outcome_that_is_not_recorded_is_a_fault_and_its_message_is_cut(
    xray: XRay, dynamodb: FailingDynamoDB
) -> None:
    outage = refusal("x" * 300, "BatchExecuteStatement")
    dynamodb.outages = [outage]

    assert deliver(*sampled(1)) == 1

    [segment] = xray.segments
    assert flags(segment) == ("PENDING", [{"fault"}, set(), set(), {"fault"}])
    assert cause(segment["subsegments"][2]) == ("ClientError", str(outage)[:200])


def test_the_segment_tells_the_stored_status_when_another_attempt_was_first(table: OrderTable, xray: XRay) -> None:
    [order] = sampled(1)
    table.create(order.declined("insufficient funds"))

    deliver(order)

    [segment] = xray.segments
    assert segment["annotations"]["status"] == "DECLINED"


def test_no_segment_is_sent_from_the_fourth_attempt_on(xray: XRay, provider: FakeProvider) -> None:
    [order] = sampled(1)
    provider.unavailable = {order.order_id}

    for attempts in range(5):
        deliver(order.model_copy(update={"attempts": attempts}))

    assert len({segment["id"] for segment in xray.segments}) == len(xray.segments) == 3


def test_orders_that_are_not_sampled_or_not_traced_send_nothing(xray: XRay, log: StringIO) -> None:
    deliver(an_order(sampled=False), an_order(sampled=None))

    assert xray.calls == []
    assert "Traces not delivered" not in log.getvalue()


def test_the_orders_of_a_batch_never_mix_and_go_fifty_to_a_call(xray: XRay, log: StringIO) -> None:
    orders = sampled(120)

    deliver(*orders)

    assert [len(call) for call in xray.calls] == [50, 50, 20]
    traces = {segment["annotations"]["order_id"]: segment["trace_id"] for segment in xray.segments}
    assert traces == {str(order.order_id): order.trace_id for order in orders}
    assert "Traces not delivered" not in log.getvalue()


def undelivered(log: StringIO) -> tuple[str, int, str]:
    """The log line about traces that were not delivered."""
    [line] = [line for line in log_lines(log) if line["message"] == "Traces not delivered"]
    return line["level"], line["segments"], line["reason"]


OUTAGES = [
    EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    ClientError({"Error": {"Code": "ThrottledException", "Message": "slow down"}}, "PutTraceSegments"),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: type(outage).__name__)
def test_an_outage_of_xray_changes_nothing_for_the_payments_and_is_waited_for_once(
    table: OrderTable, xray: XRay, log: StringIO, outage: Exception
) -> None:
    xray.outage = outage
    orders = sampled(120)

    assert deliver(*orders) == 0

    assert {table.get(order.order_id).status for order in orders} == {Status.PROCESSED}
    assert len(xray.calls) == 1
    assert undelivered(log) == ("WARNING", 120, str(outage))


def test_segments_that_xray_refuses_are_logged(xray: XRay, log: StringIO) -> None:
    xray.refuses = True

    assert deliver(*sampled(51)) == 0

    assert [len(call) for call in xray.calls] == [50, 1]
    assert undelivered(log) == ("WARNING", 51, "refused")


def test_an_xray_that_takes_a_moment_is_waited_for(xray: XRay) -> None:
    xray.when_called = lambda: threading.Event().wait(0.02)

    deliver(*sampled(1))

    assert len(xray.segments) == 1


def test_an_xray_that_hangs_is_not_waited_for(xray: XRay, log: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "SEND_SECONDS", 0.05)
    goes_on, senders = threading.Event(), list[threading.Thread]()

    def hang() -> None:
        senders.append(threading.current_thread())
        goes_on.wait()

    xray.when_called = hang

    assert deliver(*sampled(120)) == 0

    assert undelivered(log) == ("WARNING", 120, "X-Ray did not take them within 0.05 s")
    goes_on.set()
    senders[0].join()
    assert len(xray.calls) == 1  # what is left is not sent during a later invocation
