"""Unit tests: no network, no waits, and the orders table in memory."""

import json
import random
from io import StringIO
from typing import TYPE_CHECKING, Any, cast

import pytest
from pytest_socket import disable_socket

from functions import create_order, get_order, process_payment, recover_orders
from shared.observability import logger, tracer
from shared.order_table import OrderTable
from tests.builders import FailingDynamoDB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(autouse=True)
def _no_network() -> None:
    disable_socket(allow_unix_socket=True)  # asyncio wakes itself over one


@pytest.fixture
def dynamodb() -> FailingDynamoDB:
    """DynamoDB in memory. tests/integration/test_memory_dynamodb.py holds it to DynamoDB Local."""
    return FailingDynamoDB()


@pytest.fixture
def client(dynamodb: FailingDynamoDB) -> "DynamoDBClient":
    return cast("DynamoDBClient", dynamodb)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Between which times the service chose its waits before a further try, none of which takes place."""
    waits: list[tuple[float, float]] = []

    def uniform(shortest: float, longest: float) -> float:
        waits.append((shortest, longest))
        return 0

    monkeypatch.setattr(random, "uniform", uniform)
    return waits


@pytest.fixture
def table(client: "DynamoDBClient", waits: object, monkeypatch: pytest.MonkeyPatch) -> OrderTable:  # noqa: ARG001
    """The empty orders table of all functions."""
    table = OrderTable("orders", client)
    for function in (create_order, get_order, process_payment, recover_orders):
        monkeypatch.setattr(function, "orders", table)
    return table


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
