"""One order, one trace: the header that an order carries, and the segments that continue from it."""

import json
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from functions import create_order, process_payment
from shared.order import Order
from shared.order_table import OrderNotSettled, OrderTable, to_item, to_order
from shared.tracing import HEADER_VARIABLE, TraceHeader
from tests.builders import VALID, Context, Gateway, Table, XRay, a_batch, a_record, a_request, an_order

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"

pytestmark = pytest.mark.usefixtures("gateway")


@pytest.mark.parametrize(
    ("header", "read"),
    [
        (f"Root={ROOT};Parent={PARENT};Sampled=1", TraceHeader(ROOT, PARENT, sampled=True)),
        (f"Root={ROOT};Parent={PARENT};Sampled=0", TraceHeader(ROOT, PARENT, sampled=False)),
        (
            f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=a87bd80c:1|68fd508a:5",
            TraceHeader(ROOT, PARENT, sampled=True),
        ),
        (
            f"Self=1-67891234-12456789abcdef;Root={ROOT};Parent={PARENT};Sampled=1",
            TraceHeader(ROOT, PARENT, sampled=True),
        ),
        (f"Root={ROOT}; Parent={PARENT}; Sampled=1", TraceHeader(ROOT, PARENT, sampled=True)),
        (f"Root={ROOT};Sampled=1", TraceHeader(ROOT, None, sampled=True)),
        (f"Root={ROOT};Parent={PARENT}", TraceHeader(ROOT, PARENT, sampled=False)),
        (f"Root={ROOT};Parent={PARENT};Sampled=?", TraceHeader(ROOT, PARENT, sampled=False)),
        (f"Root={ROOT};Parent=none;Sampled=1", TraceHeader(ROOT, None, sampled=True)),
        (f"Root={ROOT}", TraceHeader(ROOT, None, sampled=False)),
    ],
)
def test_every_published_form_of_the_header_is_read(header: str, read: TraceHeader) -> None:
    assert TraceHeader.parse(header) == read
    assert TraceHeader.parse(str(read)) == read


@pytest.mark.parametrize("header", [None, "", ";", "Root", "Root=", "Root=1-2-3", f"Parent={PARENT};Sampled=1", "\x00"])
def test_a_header_that_names_no_trace_is_none(header: str | None) -> None:
    assert TraceHeader.parse(header) is None


def test_an_order_carries_its_place_in_the_trace_to_the_table_and_back() -> None:
    order = an_order(sampled=True)

    assert to_order(to_item(order)).trace_header == order.trace_header


def test_a_client_is_shown_the_trace_id_but_not_the_header() -> None:
    shown = json.loads(an_order(sampled=True).model_dump_json())

    assert TraceHeader.parse(f"Root={shown['trace_id']}") is not None
    assert "trace_header" not in shown


def test_a_created_order_is_in_the_trace_of_its_request(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create_order, "orders", orders)
    monkeypatch.setenv(HEADER_VARIABLE, f"Root={ROOT};Parent={PARENT};Sampled=0;Lineage=1:2:3")

    created = json.loads(create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())["body"])

    assert created["trace_id"] == ROOT
    assert orders.get(created["order_id"]).trace_header == f"Root={ROOT};Parent={PARENT};Sampled=0"


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


@pytest.mark.usefixtures("table")
def test_a_payment_is_a_segment_of_the_orders_own_trace(xray: XRay) -> None:
    order = an_order(sampled=True)
    header = TraceHeader.parse(order.trace_header)

    deliver(order)

    [segment] = xray.segments
    assert header == TraceHeader(segment["trace_id"], segment["parent_id"], sampled=True)
    assert (segment["name"], segment["origin"]) == ("order-processor-test", "AWS::Lambda::Function")
    assert segment["annotations"] == {"order_id": str(order.order_id), "status": "PROCESSED"}
    assert list(parts(segment)) == ["stream wait", "payment gateway", "DynamoDB"]
    assert parts(segment)["payment gateway"]["namespace"] == "remote"
    assert parts(segment)["DynamoDB"]["aws"] == {"operation": "BatchExecuteStatement", "table_name": "orders"}
    assert not {"fault", "error"} & {key for part in [segment, *segment["subsegments"]] for key in part}


@pytest.mark.usefixtures("table")
def test_the_segment_starts_when_the_order_begins_to_wait(xray: XRay) -> None:
    order = an_order(sampled=True)

    deliver(order)

    [segment] = xray.segments
    assert segment["start_time"] == parts(segment)["stream wait"]["start_time"] == order.created_at.timestamp()


@pytest.mark.usefixtures("table")
def test_a_stream_whose_clock_is_ahead_starts_nothing_after_its_end(xray: XRay) -> None:
    event = a_batch([an_order(sampled=True)])
    event["Records"][0]["dynamodb"]["ApproximateCreationDateTime"] += 3600

    process_payment.lambda_handler(event, Context())

    assert len(xray.segments) == 1


@pytest.mark.usefixtures("table")
def test_a_declined_payment_is_an_error(xray: XRay, gateway: Gateway) -> None:
    order = an_order(sampled=True)
    gateway.declined = {order.order_id}

    deliver(order)

    [segment] = xray.segments
    assert segment["annotations"]["status"] == "DECLINED"
    assert segment["error"] is parts(segment)["payment gateway"]["error"] is True
    assert "fault" not in segment


@pytest.mark.usefixtures("table")
def test_a_payment_that_fails_is_a_fault_with_its_cause(xray: XRay, gateway: Gateway) -> None:
    order = an_order(sampled=True)
    gateway.unavailable = {order.order_id}

    assert deliver(order) == 1

    [segment] = xray.segments
    [cause] = parts(segment)["payment gateway"]["cause"]["exceptions"]
    assert segment["fault"] is parts(segment)["payment gateway"]["fault"] is True
    assert (cause["type"], cause["message"]) == ("GatewayUnavailable", "no answer")
    assert segment["annotations"]["status"] == "PENDING"
    assert "DynamoDB" not in parts(segment)


def test_an_outcome_that_is_not_recorded_is_a_fault(table: Table, xray: XRay) -> None:
    order = an_order(sampled=True)
    table.throttled = {order.order_id}

    assert deliver(order) == 1

    [segment] = xray.segments
    assert segment["fault"] is parts(segment)["DynamoDB"]["fault"] is True
    assert parts(segment)["DynamoDB"]["cause"]["exceptions"][0]["type"] == OrderNotSettled.__name__
    assert segment["annotations"]["status"] == "PENDING"


@pytest.mark.usefixtures("table")
def test_each_attempt_is_a_segment_of_its_own(xray: XRay, gateway: Gateway) -> None:
    order = an_order(sampled=True)
    gateway.unavailable = {order.order_id}
    deliver(order)
    gateway.unavailable.clear()

    deliver(order)

    failed, succeeded = xray.segments
    assert failed["trace_id"] == succeeded["trace_id"]
    assert failed["id"] != succeeded["id"]
    assert (failed["annotations"]["status"], succeeded["annotations"]["status"]) == ("PENDING", "PROCESSED")


@pytest.mark.usefixtures("table")
def test_orders_that_are_not_sampled_or_not_traced_send_nothing(xray: XRay) -> None:
    deliver(an_order(sampled=False), an_order(sampled=None))

    assert xray.calls == []


@pytest.mark.usefixtures("table")
def test_an_order_that_comes_twice_in_a_batch_is_one_attempt(xray: XRay) -> None:
    order = an_order(sampled=True)

    process_payment.lambda_handler({"Records": [a_record(order, 1), a_record(order, 2)]}, Context())

    assert len(xray.segments) == 1


@pytest.mark.usefixtures("table")
def test_the_orders_of_a_batch_never_mix_and_go_fifty_to_a_call(xray: XRay) -> None:
    orders = [an_order(sampled=True) for _ in range(120)]

    deliver(*orders)

    assert [len(call) for call in xray.calls] == [50, 50, 20]
    traces = {segment["annotations"]["order_id"]: segment["trace_id"] for segment in xray.segments}
    assert traces == {str(order.order_id): order.trace_id for order in orders}


def test_an_outage_of_xray_changes_nothing_for_the_payments_and_is_waited_for_once(
    table: Table, xray: XRay, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    xray.outage = EndpointConnectionError(endpoint_url="http://127.0.0.1")

    assert deliver(*(an_order(sampled=True) for _ in range(120))) == 0

    assert (len(table.settled), len(xray.calls)) == (120, 1)
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["TracesUndelivered"] == [120.0]
    assert "Traces not delivered" in log.getvalue()


def test_segments_that_xray_refuses_are_logged_and_counted(
    table: Table, xray: XRay, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    xray.refuses = True

    assert deliver(an_order(sampled=True), an_order(sampled=True)) == 0

    assert len(table.settled) == 2
    assert json.loads(capsys.readouterr().out)["TracesUndelivered"] == [2.0]
    assert "Traces refused" in log.getvalue()


@pytest.mark.usefixtures("table")
def test_no_personal_data_is_in_a_segment(xray: XRay) -> None:
    order = an_order(sampled=True)

    deliver(order)

    assert order.customer_id not in json.dumps(xray.segments)
    assert order.items[0].sku not in json.dumps(xray.segments)


@pytest.mark.usefixtures("table", "xray")
def test_the_log_tells_the_orders_own_trace(log: StringIO) -> None:
    order = an_order(sampled=True)

    deliver(order)

    assert json.loads(log.getvalue())["trace_id"] == order.trace_id


@pytest.mark.usefixtures("table", "xray")
def test_a_metric_tells_the_time_from_created_to_settled(capsys: pytest.CaptureFixture[str]) -> None:
    deliver(an_order(), an_order())

    [first, second] = json.loads(capsys.readouterr().out)["TimeToSettle"]
    assert 0 < first < 60
    assert 0 < second < 60
