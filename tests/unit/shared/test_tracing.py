"""One order, one trace: the header that an order carries, and the segments that continue from it."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

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
from shared.order import Order
from shared.order_table import OrderTable, OutcomeRefused, TableUnavailable, to_item, to_order
from shared.outcome_writer import TRIES
from shared.tracing import Attempt, segment_of_attempt
from tests.builders import VALID, Context, FakeProvider, Table, XRay, a_batch, a_record, a_request, an_order
from tests.unit.conftest import log_lines

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"  # "Lambda environment variables", AWS Lambda Developer Guide

pytestmark = pytest.mark.usefixtures("provider")


def test_an_order_carries_its_place_in_the_trace_to_the_table_and_back() -> None:
    order = an_order(sampled=True)

    assert to_order(to_item(order)).trace_header == order.trace_header


def test_a_client_is_shown_the_trace_id_but_not_the_header() -> None:
    order = an_order(sampled=True)

    shown = json.loads(order.model_dump_json())

    assert shown["trace_id"] == TraceHeader.from_header_str(order.trace_header).root
    assert "trace_header" not in shown


def test_a_created_order_is_in_the_trace_of_its_request(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HEADER_VARIABLE, f"Root={ROOT};Parent={PARENT};Sampled=0;Lineage=1:2:3")

    assert created(orders, monkeypatch).trace_header == f"Root={ROOT};Parent={PARENT};Sampled=0"


def test_an_order_that_is_created_outside_a_trace_has_none(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    order = created(orders, monkeypatch)

    assert (order.trace_header, order.trace_id) == (None, None)


def created(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> Order:
    """Create an order over the API, and read it from the table."""
    monkeypatch.setattr(create_order, "orders", orders)
    answer = create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())
    return orders.get(json.loads(answer["body"])["order_id"])


@pytest.fixture
def sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What the X-Ray SDK sends, switched on as in Lambda."""
    sent: list[dict[str, Any]] = []

    class Emitter:
        def send_entity(self, entity: Entity) -> None:
            sent.append(json.loads(entity.serialize()))

    monkeypatch.setattr(tracer, "disabled", False)
    monkeypatch.setattr(xray_recorder, "context", LambdaContext())
    monkeypatch.setattr(xray_recorder, "emitter", Emitter())
    monkeypatch.setattr(xray_recorder, "streaming_threshold", 0)
    global_sdk_config.set_sdk_enabled(True)
    yield sent
    global_sdk_config.set_sdk_enabled(False)


def test_the_payment_continues_from_the_handler_that_created_the_order(
    orders: OrderTable, monkeypatch: pytest.MonkeyPatch, sdk: list[dict[str, Any]]
) -> None:
    monkeypatch.setenv(HEADER_VARIABLE, f"Root={ROOT};Parent={PARENT};Sampled=1")

    order = created(orders, monkeypatch)

    [handler] = [part for part in sdk if part["name"] == "## lambda_handler"]
    assert (handler["trace_id"], handler["parent_id"]) == (ROOT, PARENT)
    assert handler["annotations"]["order_id"] == str(order.order_id)
    assert order.trace_header == f"Root={ROOT};Parent={handler['id']};Sampled=1"


def test_a_request_that_is_not_valid_leaves_nothing_of_its_content_in_the_trace(
    monkeypatch: pytest.MonkeyPatch, sdk: list[dict[str, Any]]
) -> None:
    monkeypatch.setenv(HEADER_VARIABLE, f"Root={ROOT};Parent={PARENT};Sampled=1")

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
    """Deliver a batch; return how many of its records failed."""
    return len(process_payment.lambda_handler(a_batch(orders), Context())["batchItemFailures"])


def parts(segment: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in segment["subsegments"]}


def cause(part: dict[str, Any]) -> tuple[str, str]:
    [exception] = part["cause"]["exceptions"]
    return exception["type"], exception["message"]


@pytest.mark.usefixtures("table")
def test_a_payment_is_a_segment_of_the_orders_own_trace(xray: XRay) -> None:
    order = an_order(sampled=True)
    header = TraceHeader.from_header_str(order.trace_header)

    deliver(order)

    [segment] = xray.segments
    assert (header.root, header.parent) == (segment["trace_id"], segment["parent_id"])
    # A name of its own and no origin: X-Ray would else count it as an invocation of the function.
    assert segment["name"] == "order-processor-test-payment"
    assert "origin" not in segment
    assert segment["annotations"] == {"order_id": str(order.order_id), "status": "PROCESSED", "attempts": 0}
    assert list(parts(segment)) == ["stream wait", "payment provider", "DynamoDB"]
    assert parts(segment)["payment provider"]["namespace"] == "remote"
    assert parts(segment)["DynamoDB"]["namespace"] == "aws"
    assert parts(segment)["DynamoDB"]["aws"] == {"operation": "BatchExecuteStatement", "table_name": "orders"}
    assert not {"fault", "error"} & {key for part in [segment, *segment["subsegments"]] for key in part}


@pytest.mark.usefixtures("table")
def test_a_segment_whose_trace_names_no_parent_is_at_the_top(xray: XRay) -> None:
    deliver(an_order().model_copy(update={"trace_header": f"Root={ROOT};Sampled=1"}))

    [segment] = xray.segments
    assert "parent_id" not in segment


@pytest.mark.usefixtures("table")
def test_the_parts_of_a_payment_follow_one_another_from_the_start_of_the_wait_to_the_end(xray: XRay) -> None:
    order = an_order(sampled=True)
    order = order.model_copy(update={"created_at": order.created_at - timedelta(seconds=5)})

    deliver(order)

    [segment] = xray.segments
    wait, payment, write = segment["subsegments"]
    assert segment["start_time"] == wait["start_time"] == order.created_at.timestamp()
    assert wait["end_time"] - wait["start_time"] > 5
    assert wait["end_time"] <= payment["start_time"] <= payment["end_time"] <= write["start_time"]
    assert write["start_time"] <= write["end_time"] == segment["end_time"]


@pytest.mark.parametrize(("recorded_after", "starts_after"), [(-0.9, 0), (2, 2), (None, 0)])
@pytest.mark.usefixtures("table")
def test_the_wait_starts_when_the_record_was_written_but_never_before_its_order_was_created(
    xray: XRay, recorded_after: float | None, starts_after: float
) -> None:
    order = an_order(sampled=True)
    order = order.model_copy(update={"created_at": order.created_at - timedelta(seconds=5)})
    event = a_batch([order])
    created_at = event["Records"][0]["dynamodb"].pop("ApproximateCreationDateTime")
    if recorded_after is not None:
        event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] = created_at + recorded_after

    process_payment.lambda_handler(event, Context())

    [segment] = xray.segments
    assert segment["start_time"] == pytest.approx(created_at + starts_after, abs=0.001)


@pytest.mark.usefixtures("table")
def test_the_trace_of_a_batch_tells_how_many_orders_it_has(annotations: dict[str, object]) -> None:
    deliver(an_order(), an_order(), an_order())

    assert annotations == {"orders": 3}


@pytest.mark.usefixtures("table")
def test_a_stream_whose_clock_is_ahead_starts_nothing_after_its_end(xray: XRay) -> None:
    event = a_batch([an_order(sampled=True)])
    event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] += 3600

    process_payment.lambda_handler(event, Context())

    [segment] = xray.segments
    assert segment["start_time"] <= time.time()


def test_a_clock_that_is_set_back_ends_nothing_before_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    order = an_order(sampled=True)
    times = iter([1000, 1001, 995, 996])  # received, called, answered, recorded
    monkeypatch.setattr(clock, "now_ms", lambda: next(times) * 1000)

    attempt = Attempt(order, queued_at=999.0)
    with attempt.calling_provider():
        pass
    attempt.recorded(order)

    segment = segment_of_attempt(attempt.fields, service="service", table="orders")
    assert [(part["start_time"], part["end_time"]) for part in segment["subsegments"]] == [
        (999.0, 1000.0),
        (1001.0, 1001.0),
        (1001.0, 1001.0),
    ]
    assert (segment["start_time"], segment["end_time"]) == (999.0, 1001.0)


@pytest.mark.usefixtures("table")
def test_a_declined_payment_is_an_error(xray: XRay, provider: FakeProvider) -> None:
    order = an_order(sampled=True)
    provider.declined = {order.order_id}

    deliver(order)

    [segment] = xray.segments
    payment = parts(segment)["payment provider"]
    assert segment["annotations"]["status"] == "DECLINED"
    assert segment["error"] is payment["error"] is True
    assert (cause(payment), payment["namespace"]) == (("Declined", "insufficient funds"), "remote")
    assert "fault" not in segment


@pytest.mark.usefixtures("table")
def test_a_deferred_payment_is_a_fault_and_leaves_the_order_pending(xray: XRay, provider: FakeProvider) -> None:
    order = an_order(sampled=True)
    provider.unavailable = {order.order_id}

    assert deliver(order) == 0

    [segment] = xray.segments
    payment = parts(segment)["payment provider"]
    assert segment["fault"] is payment["fault"] is True
    assert "error" not in segment
    assert cause(payment) == ("ProviderUnavailable", "no answer")
    assert segment["annotations"]["status"] == "PENDING"
    assert "fault" not in parts(segment)["DynamoDB"]


@pytest.mark.usefixtures("table")
def test_the_message_of_an_error_in_the_adapter_stays_out_of_trace_and_log(
    xray: XRay, provider: FakeProvider, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: UUID) -> None:
        raise RuntimeError("card 4111111111111111 of Ana")

    monkeypatch.setattr(provider, "_answer", fail)

    assert deliver(an_order(sampled=True)) == 0

    [segment] = xray.segments
    assert cause(parts(segment)["payment provider"]) == ("ProviderUnavailable", "RuntimeError")
    assert "Ana" not in json.dumps(segment) + log.getvalue()


def test_an_outcome_that_is_not_recorded_is_a_fault(table: Table, xray: XRay) -> None:
    order = an_order(sampled=True)
    table.throttled = Counter({order.order_id: TRIES})

    assert deliver(order) == 1

    [segment] = xray.segments
    assert segment["fault"] is parts(segment)["DynamoDB"]["fault"] is True
    assert cause(parts(segment)["DynamoDB"]) == (TableUnavailable.__name__, "ThrottlingError")
    assert segment["annotations"]["status"] == "PENDING"


def test_a_long_message_is_cut(table: Table, xray: XRay) -> None:
    table.outages = [OutcomeRefused("x" * 201)]

    deliver(an_order(sampled=True))

    [segment] = xray.segments
    assert cause(parts(segment)["DynamoDB"])[1] == "x" * 200


def test_the_segment_tells_the_stored_status_when_another_attempt_was_first(
    table: Table, xray: XRay, provider: FakeProvider
) -> None:
    order = an_order(sampled=True)
    table.stored[order.order_id] = order.processed("payment-1")
    provider.declined = {order.order_id}

    deliver(order)

    [segment] = xray.segments
    assert segment["annotations"]["status"] == "PROCESSED"


@pytest.mark.usefixtures("table")
def test_no_segment_is_sent_from_the_fourth_attempt_on(xray: XRay, provider: FakeProvider) -> None:
    order = an_order(sampled=True)
    provider.unavailable = {order.order_id}

    for attempts in range(5):
        deliver(order.model_copy(update={"attempts": attempts}))

    assert len(xray.segments) == 3
    assert len({segment["id"] for segment in xray.segments}) == 3


@pytest.mark.usefixtures("table")
def test_orders_that_are_not_sampled_or_not_traced_send_nothing(xray: XRay, log: StringIO) -> None:
    deliver(an_order(sampled=False), an_order(sampled=None))

    assert xray.calls == []
    assert "Traces not delivered" not in log.getvalue()


@pytest.mark.usefixtures("table")
def test_an_order_that_comes_twice_in_a_batch_is_one_attempt(xray: XRay) -> None:
    order = an_order(sampled=True)

    process_payment.lambda_handler({"Records": [a_record(order, 1), a_record(order, 2)]}, Context())

    assert len(xray.segments) == 1


@pytest.mark.usefixtures("table")
def test_the_orders_of_a_batch_never_mix_and_go_fifty_to_a_call(xray: XRay, log: StringIO) -> None:
    orders = [an_order(sampled=True) for _ in range(120)]

    deliver(*orders)

    assert [len(call) for call in xray.calls] == [50, 50, 20]
    traces = {segment["annotations"]["order_id"]: segment["trace_id"] for segment in xray.segments}
    assert traces == {str(order.order_id): order.trace_id for order in orders}
    assert "Traces not delivered" not in log.getvalue()


def undelivered(log: StringIO) -> dict[str, Any]:
    """The log line about traces that were not delivered."""
    [line] = [line for line in log_lines(log) if line["message"] == "Traces not delivered"]
    assert line["level"] == "WARNING"
    return {name: line[name] for name in ("segments", "reason")}


OUTAGES = [
    EndpointConnectionError(endpoint_url="http://127.0.0.1"),
    ClientError({"Error": {"Code": "ThrottledException", "Message": "slow down"}}, "PutTraceSegments"),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: type(outage).__name__)
def test_an_outage_of_xray_changes_nothing_for_the_payments_and_is_waited_for_once(
    table: Table, xray: XRay, log: StringIO, outage: Exception
) -> None:
    xray.outage = outage

    assert deliver(*(an_order(sampled=True) for _ in range(120))) == 0

    assert (len(table.stored), len(xray.calls)) == (120, 1)
    assert undelivered(log) == {"segments": 120, "reason": str(outage)}


def test_segments_that_xray_refuses_are_logged(table: Table, xray: XRay, log: StringIO) -> None:
    xray.refuses = True

    assert deliver(*(an_order(sampled=True) for _ in range(51))) == 0

    assert [len(call) for call in xray.calls] == [50, 1]
    assert undelivered(log) == {"segments": 51, "reason": "refused"}
    assert len(table.stored) == 51


@pytest.mark.usefixtures("table")
def test_an_xray_that_takes_a_moment_is_waited_for(xray: XRay, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = threading.Event()
    put = xray.put_trace_segments

    def put_after_a_moment(**documents: Any) -> dict[str, Any]:  # noqa: ANN401
        moment.wait(0.02)
        return put(**documents)

    monkeypatch.setattr(xray, "put_trace_segments", put_after_a_moment)

    deliver(an_order(sampled=True))

    assert len(xray.segments) == 1


def test_an_xray_that_hangs_is_not_waited_for(
    table: Table, xray: XRay, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SEND_SECONDS", 0.05)
    goes_on = threading.Event()
    senders: list[threading.Thread] = []
    put = xray.put_trace_segments

    def put_slowly(**documents: Any) -> dict[str, Any]:  # noqa: ANN401
        senders.append(threading.current_thread())
        goes_on.wait()
        return put(**documents)

    monkeypatch.setattr(xray, "put_trace_segments", put_slowly)

    assert deliver(*(an_order(sampled=True) for _ in range(120))) == 0

    assert len(table.stored) == 120
    assert undelivered(log) == {"segments": 120, "reason": "X-Ray did not take them within 0.05 s"}
    goes_on.set()
    senders[0].join()
    assert len(xray.calls) == 1  # what is left is not sent during a later invocation


@pytest.mark.usefixtures("table")
def test_no_personal_data_is_in_a_segment(xray: XRay) -> None:
    order = an_order(sampled=True)

    deliver(order)

    assert order.customer_id not in json.dumps(xray.segments)
    assert order.items[0].sku not in json.dumps(xray.segments)
