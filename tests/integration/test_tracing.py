"""One order, one trace, with many orders at once: the SDK, the daemon and X-Ray's API are real or moto's."""

import json
from collections.abc import Iterator
from itertools import batched
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import patch, xray_recorder
from aws_xray_sdk.core.lambda_launcher import LambdaContext

from functions import create_order, process_payment
from local.lambda_.instance import trace
from local.xray import LocalXRay
from shared.observability import tracer
from shared.order import Order
from shared.order_table import OrderTable
from shared.tracing import HEADER_VARIABLE
from tests.builders import VALID, Context, FakeProvider, a_batch, a_request
from tests.waiting import eventually
from tests.xray_documents import all_of, validated
from tools.trace.waterfall import is_complete

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

TRACES_PER_CALL = 5  # "BatchGetTraces", AWS X-Ray API Reference


@pytest.fixture(autouse=True)
def xray(monkeypatch: pytest.MonkeyPatch) -> Iterator["XRayClient"]:
    """A local X-Ray, to which the functions send their traces as they do in Lambda."""
    with LocalXRay() as running:
        client = boto3.client("xray", endpoint_url=running.endpoint_url)
        monkeypatch.setattr(process_payment, "xray", client)
        monkeypatch.setattr(tracer, "disabled", False)
        global_sdk_config.set_sdk_enabled(True)
        # In Lambda the SDK sets the first two by itself.
        xray_recorder.configure(context=LambdaContext(), streaming_threshold=0, daemon_address=running.daemon_address)
        patch(["botocore"])
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", running.daemon_address)
        monkeypatch.setenv(HEADER_VARIABLE, "")  # each invocation sets it
        yield client
        global_sdk_config.set_sdk_enabled(False)


def create(orders: OrderTable) -> Order:
    with trace("order-processor-test"):
        answer = create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())
    with trace("test"):  # to read it belongs to no order's trace
        return orders.get(json.loads(answer["body"])["order_id"])


def pay(orders: list[Order]) -> PartialItemFailureResponse:
    with trace("order-processor-test"):
        response: PartialItemFailureResponse = process_payment.lambda_handler(a_batch(orders), Context())
    return response


def traces_of(xray: "XRayClient", orders: list[Order]) -> dict[str, list[dict[str, Any]]]:
    """The documents of each order's trace, by the order's id."""
    segments: dict[str, list[dict[str, Any]]] = {}
    for some in batched((str(order.trace_id) for order in orders), TRACES_PER_CALL, strict=False):
        for found in xray.batch_get_traces(TraceIds=list(some))["Traces"]:
            segments[found["Id"]] = [validated(segment["Document"]) for segment in found["Segments"]]
    return {str(order.order_id): segments.get(str(order.trace_id), []) for order in orders}


def test_each_of_60_concurrent_orders_has_one_tree_with_nobody_elses_work(
    xray: "XRayClient", orders: OrderTable
) -> None:
    created = [create(orders) for _ in range(60)]

    pay(created)

    eventually(lambda: all(is_complete(trace, order_id) for order_id, trace in traces_of(xray, created).items()))
    traces = traces_of(xray, created)

    assert len({order.trace_id for order in created}) == len(created)
    for order_id, documents in traces.items():
        parts = [part for document in documents for part in all_of(document)]
        assert {part["annotations"]["order_id"] for part in parts if "order_id" in part.get("annotations", {})} == {
            order_id
        }
        assert sorted(part["name"] for part in parts) == [
            "## lambda_handler",
            "DynamoDB",
            "dynamodb",
            "order-processor-test",
            "order-processor-test-payment",
            "payment provider",
            "stream wait",
        ]


def test_a_redelivery_adds_an_attempt_to_the_trace(
    xray: "XRayClient", orders: OrderTable, provider: FakeProvider
) -> None:
    order = create(orders)
    provider.unavailable = {order.order_id}
    pay([order])
    provider.unavailable.clear()

    pay([order])

    eventually(lambda: is_complete(traces_of(xray, [order])[str(order.order_id)], str(order.order_id)))
    documents = traces_of(xray, [order])[str(order.order_id)]
    attempts = [
        document for document in documents if "status" in document.get("annotations", {}) and "type" not in document
    ]
    assert sorted(attempt["annotations"]["status"] for attempt in attempts) == ["PENDING", "PROCESSED"]
    assert len({attempt["parent_id"] for attempt in attempts}) == 1
