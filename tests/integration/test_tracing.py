"""One order, one trace, with many orders at once: the SDK, the daemon and X-Ray's API are real or moto's."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
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
from tests.builders import VALID, Context, a_batch, a_request
from tests.waiting import eventually
from tests.xray_documents import validated
from tools.trace.rows import all_parts
from tools.trace.waterfall import is_complete

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient


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


def documents_of(xray: "XRayClient", order: Order) -> list[dict[str, Any]]:
    """The documents of an order's trace."""
    traces = xray.batch_get_traces(TraceIds=[str(order.trace_id)])["Traces"]
    return [validated(segment["Document"]) for found in traces for segment in found["Segments"]]


def test_each_of_30_concurrent_orders_has_one_tree_with_nobody_elses_work(
    xray: "XRayClient", orders: OrderTable
) -> None:
    created = [create(orders) for _ in range(30)]

    with trace("order-processor-test"):
        process_payment.lambda_handler(a_batch(created), Context())

    eventually(lambda: all(is_complete(documents_of(xray, order), str(order.order_id)) for order in created))
    assert len({order.trace_id for order in created}) == len(created)
    for order in created:
        parts = [part for document in documents_of(xray, order) for part in all_parts(document)]
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
