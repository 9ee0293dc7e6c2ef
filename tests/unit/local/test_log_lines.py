"""The functions' log lines, as `npm start` shows them."""

import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from local.page.log_lines import readable
from tests.builders import Context


def logged(level: str, message: str, **fields: object) -> str:
    """A line as a function writes it."""
    output = StringIO()
    logger = Logger(service=str(uuid4()), stream=output)  # loggers of one service share their first one's output

    @logger.inject_lambda_context
    def handler(_event: dict[str, Any], _context: Context) -> None:
        getattr(logger, level)(message, **fields)

    handler({}, Context())
    return output.getvalue().rstrip()


def test_a_line_about_an_order_is_its_time_function_order_and_message() -> None:
    line = logged("info", "Order created", order_id="o-1", trace_id="1-2-3", parent_id=None, attempts=0, stored_at_ms=1)

    assert readable(line) == f"{json.loads(line)['timestamp'][11:19]} test           o-1 Order created"


def test_a_warning_says_so_with_its_details() -> None:
    line = logged("warning", "Payment deferred", order_id="o-1", reason="ProviderUnavailable")

    assert str(readable(line)).endswith(" o-1 WARNING Payment deferred reason=ProviderUnavailable")


def test_an_exception_is_named_in_the_same_line() -> None:
    line = logged("error", "Unexpected error", exc_info=ValueError("no"))

    assert str(readable(line)).endswith(" - ERROR Unexpected error exception_name=ValueError")


def test_a_metric_is_not_shown() -> None:
    assert readable('{"_aws": {"Timestamp": 1}, "OrdersCreated": [1.0]}') is None


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "42", '"text"', "[]", '{"message": "?"}', ""])
def test_any_other_line_stays_as_it_is(line: str) -> None:
    assert readable(line) == line
