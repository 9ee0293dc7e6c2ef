"""Unit tests: no network, and a table in memory where one is needed."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import boto3
import pytest
from moto import mock_aws
from pytest_socket import disable_socket

from functions import process_payment
from shared import outcome_writer
from shared.observability import logger, tracer
from shared.order_table import OrderTable
from tests.builders import Table


@pytest.fixture(autouse=True)
def _no_network() -> None:
    disable_socket(allow_unix_socket=True)  # asyncio wakes itself over one


def log_lines(log: StringIO) -> list[dict[str, Any]]:
    """What was logged, line by line."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the service logs."""
    stream = StringIO()
    # Powertools' handler keeps the stdout of its import, which is not pytest's.
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def annotations(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the service annotates the invocation's trace with."""
    annotations: dict[str, object] = {}
    monkeypatch.setattr(tracer, "put_annotation", lambda key, value: annotations.update({key: value}))
    return annotations


@pytest.fixture(scope="session")
def orders() -> Iterator[OrderTable]:
    """An orders table, in moto's memory."""
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )
        yield OrderTable("orders", client)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    """The table in which ProcessPayment records its outcomes."""
    table = Table()
    monkeypatch.setattr(process_payment, "orders", table)
    monkeypatch.setattr(outcome_writer, "FIRST_BACKOFF_SECONDS", 0)
    return table
