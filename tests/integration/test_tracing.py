"""One order, one trace, with many orders at once: the SDK, the daemon and X-Ray's API are real or moto's."""

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.core.lambda_launcher import LambdaContext

from functions import create_order, process_payment, recover_orders
from local.lambda_.instance import trace
from local.xray import LocalXRay
from shared import clock
from shared.observability import logger, tracer
from shared.order import Order
from shared.order_table import OrderTable
from shared.tracing import HEADER_VARIABLE
from tests.builders import VALID, Context, FakeProvider, a_batch, a_request
from tests.waiting import eventually
from tests.xray_documents import all_of, validated
from tools.trace.order_trace import OrderTrace, order_trace
from tools.trace.rows import rows
from tools.trace.waterfall import is_complete, status

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient


@pytest.fixture(autouse=True)
def xray(monkeypatch: pytest.MonkeyPatch) -> Iterator["XRayClient"]:
    """A local X-Ray, to which the functions send their traces as they do in Lambda."""
    with LocalXRay() as running:
        client = boto3.client("xray", endpoint_url=running.endpoint_url)
        for function in (process_payment, recover_orders):
            monkeypatch.setattr(function, "xray", client)
        monkeypatch.setattr(tracer, "disabled", False)
        global_sdk_config.set_sdk_enabled(True)
        # In Lambda the SDK sets the first two by itself.
        xray_recorder.configure(context=LambdaContext(), streaming_threshold=0, daemon_address=running.daemon_address)
        patch(["botocore"])
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", running.daemon_address)
        monkeypatch.setenv(HEADER_VARIABLE, "")  # each invocation sets it
        yield client
        global_sdk_config.set_sdk_enabled(False)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions log."""
    stream = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


def create(orders: OrderTable) -> Order:
    with trace("order-processor-test"):
        answer = create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())
    with trace("test"):  # to read it belongs to no order's trace
        return orders.get(json.loads(answer["body"])["order_id"])


def pay(orders: list[Order]) -> None:
    with trace("order-processor-test"):
        process_payment.lambda_handler(a_batch(orders), Context())


def pay_later(monkeypatch: pytest.MonkeyPatch, later: timedelta) -> None:
    """Run RecoverOrders when that much time has passed."""
    now = clock.now() + later
    monkeypatch.setattr(clock, "now", lambda: now)
    with trace("order-processor-test"):
        assert recover_orders.lambda_handler({}, Context())["failed"] == 0


def documents_of(xray: "XRayClient", order: Order) -> list[dict[str, Any]]:
    """The documents of an order's trace."""
    traces = xray.batch_get_traces(TraceIds=[str(order.trace_id)])["Traces"]
    return [validated(segment["Document"]) for found in traces for segment in found["Segments"]]


def whole_trace(xray: "XRayClient", log: StringIO, order: Order) -> OrderTrace:
    """What `npm run trace` draws of an order."""
    lines = [line for line in map(json.loads, log.getvalue().splitlines()) if "_aws" not in line]
    lines = [line for line in lines if line.get("order_id") == str(order.order_id)]
    return order_trace(documents_of(xray, order), lines, "order-processor-test")


def test_each_of_30_concurrent_orders_has_one_tree_with_nobody_elses_work(
    xray: "XRayClient", orders: OrderTable
) -> None:
    created = [create(orders) for _ in range(30)]

    pay(created)

    eventually(lambda: all(is_complete(documents_of(xray, order), str(order.order_id)) for order in created))
    assert len({order.trace_id for order in created}) == len(created)
    for order in created:
        parts = [part for document in documents_of(xray, order) for part in all_of(document)]
        annotations = [part.get("annotations", {}) for part in parts]
        assert {each["order_id"] for each in annotations if "order_id" in each} == {str(order.order_id)}
        assert sorted(part["name"] for part in parts) == [
            "## lambda_handler",
            "DynamoDB",
            "dynamodb",
            "order-processor-test",
            "order-processor-test-payment",
            "payment provider",
            "stream wait",
        ]


def test_an_order_that_failed_four_times_is_drawn_with_all_attempts(
    xray: "XRayClient", orders: OrderTable, provider: FakeProvider, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = create(orders)
    provider.unavailable = {order.order_id}
    pay([order])
    for minutes in (1, 2, 3):
        pay_later(monkeypatch, timedelta(minutes=minutes))
    provider.unavailable.clear()
    pay_later(monkeypatch, timedelta(minutes=5))
    of_both = "From X-Ray, but 2 of 5 attempts from the logs."
    eventually(lambda: whole_trace(xray, log, order).sources("X-Ray") == of_both)

    found = whole_trace(xray, log, order)

    assert is_complete(found.documents, str(order.order_id))
    assert status(found.documents, str(order.order_id)) == "PROCESSED"
    assert [row.style for row in rows(found.documents) if row.name == "payment provider"] == ["red"] * 4 + ["green"]
