"""What the handlers have in common: the context of their log lines, and their trace."""

from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest

from functions import create_order, get_order, process_payment, recover_orders
from shared.observability import logger, tracer
from tests.builders import Context, a_batch, a_request, an_order

EVENTS: dict[ModuleType, dict[str, Any]] = {
    create_order: a_request("POST", "/orders", "{"),
    get_order: a_request("GET", "/orders/1"),
    process_payment: a_batch([an_order()]),
    recover_orders: {},
}

pytestmark = [
    pytest.mark.usefixtures("table", "provider"),
    pytest.mark.parametrize("function", EVENTS, ids=lambda function: function.__name__),
]


def test_the_handler_is_a_subsegment_without_its_response(
    function: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracer, "provider", provider := MagicMock())

    function.lambda_handler(EVENTS[function], Context())

    provider.in_subsegment.assert_called_once_with(name="## lambda_handler")
    provider.in_subsegment().__enter__().put_metadata.assert_not_called()


def test_log_lines_have_the_ids_of_the_invocation_and_of_the_request(function: ModuleType) -> None:
    event = EVENTS[function]
    is_api = "requestContext" in event
    logger.set_correlation_id(None)

    function.lambda_handler(event, Context(aws_request_id=function.__name__))

    assert logger.get_current_keys()["function_request_id"] == function.__name__
    assert logger.get_correlation_id() == ("r-1" if is_api else None)
