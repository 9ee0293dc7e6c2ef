"""The functions' log lines, as `npm start` shows them."""

import json
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from aws_lambda_powertools import Logger

from local.page.log_lines import readable
from tests.builders import Context


@pytest.mark.parametrize(
    ("level", "message", "fields", "shown"),
    [
        ("info", "Order created", {"order_id": "o-1", "trace_id": "1-2-3", "attempts": 0}, "o-1 Order created"),
        ("warning", "Deferred", {"order_id": "o-1", "reason": "No"}, "o-1 WARNING Deferred reason=No"),
        ("error", "Failed", {"exc_info": ValueError("no")}, "- ERROR Failed exception_name=ValueError"),
    ],
)
def test_a_line_is_its_time_function_order_and_message(
    level: str, message: str, fields: dict[str, Any], shown: str
) -> None:
    output = StringIO()
    logger = Logger(service=str(uuid4()), stream=output)  # loggers of one service share their first one's output
    logger.inject_lambda_context(lambda *_: getattr(logger, level)(message, **fields))({}, Context())
    line = output.getvalue().rstrip()

    assert readable(line) == f"{json.loads(line)['timestamp'][11:19]} test           {shown}"


def test_a_metric_is_not_shown() -> None:
    assert readable('{"_aws": {"Timestamp": 1}, "OrdersCreated": [1.0]}') is None


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", "42", '{"message": "?"}'])
def test_any_other_line_stays_as_it_is(line: str) -> None:
    assert readable(line) == line
