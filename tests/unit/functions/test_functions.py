"""What the handlers have in common: the context of their log lines, and their trace."""

from io import StringIO
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock
from uuid import uuid4

import pytest

from functions import create_order, get_order, process_payment, recover_orders
from shared.observability import logger, tracer
from tests.builders import Context, FakeProvider, Table, a_batch, a_request, an_order
from tests.unit.conftest import log_lines

EVENTS: dict[ModuleType, dict[str, Any]] = {
    create_order: a_request("POST", "/orders", "{"),
    get_order: a_request("GET", "/orders/1"),
    process_payment: a_batch([an_order()]),
    recover_orders: {},
}


@pytest.fixture(autouse=True)
def _orders(table: Table, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  # of ProcessPayment
    monkeypatch.setattr(recover_orders, "orders", MagicMock(due=lambda *_: iter(())))


@pytest.mark.parametrize("function", EVENTS, ids=lambda function: function.__name__)
def test_the_handler_is_a_subsegment_without_its_response(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracer, "provider", provider := MagicMock())

    function.lambda_handler(EVENTS[function], Context())

    provider.in_subsegment.assert_called_once_with(name="## lambda_handler")
    provider.in_subsegment().__enter__().put_metadata.assert_not_called()


@pytest.mark.parametrize("function", EVENTS, ids=lambda function: function.__name__)
def test_log_lines_have_the_id_of_the_invocation(function: ModuleType) -> None:
    context = Context(aws_request_id=str(uuid4()))

    function.lambda_handler(EVENTS[function], context)

    assert logger.get_current_keys()["function_request_id"] == context.aws_request_id


@pytest.mark.parametrize("function", [create_order, get_order], ids=lambda function: function.__name__)
def test_log_lines_have_the_id_of_the_request(function: ModuleType) -> None:
    request_id = str(uuid4())
    event = EVENTS[function]

    function.lambda_handler(event | {"requestContext": {**event["requestContext"], "requestId": request_id}}, Context())

    assert logger.get_correlation_id() == request_id


def test_log_lines_of_a_payment_do_not_name_its_asyncio_task(log: StringIO) -> None:
    process_payment.lambda_handler(EVENTS[process_payment], Context())

    lines = log_lines(log)
    assert "Order settled" in [line["message"] for line in lines]
    assert not any("taskName" in line for line in lines)
