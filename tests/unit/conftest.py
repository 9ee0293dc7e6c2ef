"""Unit tests: no network, and a table in memory where one is needed."""

from collections.abc import Iterator
from io import StringIO

import boto3
import pytest
from moto import mock_aws
from pytest_socket import disable_socket

from functions import process_payment
from shared.observability import logger
from shared.order_table import OrderTable
from tests.builders import Gateway, Table


@pytest.fixture(autouse=True)
def _no_network() -> None:
    disable_socket(allow_unix_socket=True)  # asyncio wakes itself over one


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the service logs."""
    stream = StringIO()
    # Powertools' handler keeps the stdout of its import, which is not pytest's.
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


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
    """The table to which ProcessPayment tells its outcomes."""
    table = Table()
    monkeypatch.setattr(process_payment, "orders", table)
    return table


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The payment gateway that ProcessPayment asks."""
    gateway = Gateway()
    monkeypatch.setattr(process_payment, "gateway", gateway)
    return gateway
