"""`npm run backfill`, in moto's memory; tests/integration/test_older_table.py has the steps around it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from shared.order_table import to_item
from tests.builders import an_order
from tests.e2e.command import Ended, run
from tools import backfill
from tools.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "order-processor-prod-orders"
ORDER = an_order()
KEY = {"order_id": {"S": str(ORDER.order_id)}}


@pytest.fixture
def client() -> Iterator["DynamoDBClient"]:
    """A table with a PENDING order without `due_at`."""
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )
        old = {name: value for name, value in to_item(ORDER).items() if name != "due_at"}
        client.put_item(TableName=TABLE, Item=old)
        yield client
        client.delete_table(TableName=TABLE)  # moto's memory may be that of the whole session


@pytest.mark.usefixtures("client")
def test_it_tells_how_many_orders_are_due_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "orders_table", lambda _: TABLE)

    done = run(backfill.main, "--stage", "prod")

    assert done == Ended(0, "1 orders of stage prod are due now. RecoverOrders settles them.\n", "")


def test_an_order_that_is_settled_meanwhile_stays_as_it_is(client: "DynamoDBClient") -> None:
    update = client.update_item

    def settled_before(**request: Any) -> Any:  # noqa: ANN401  # as boto3's client has it
        client.put_item(TableName=TABLE, Item=to_item(ORDER.processed("payment-1")))
        return update(**request)

    with patch.object(client, "update_item", settled_before):
        assert backfill.backfill(client, TABLE) == 0

    assert "due_at" not in client.get_item(TableName=TABLE, Key=KEY)["Item"]
