"""`npm run backfill`, in moto's memory; tests/integration/test_older_table.py has the steps around it."""

from typing import Any
from unittest.mock import patch

import boto3
import pytest
from moto import mock_aws

from shared.order_table import to_item
from tests.builders import an_order
from tests.e2e.command import Ended, run
from tools import backfill
from tools.stage import Stage

TABLE = "order-processor-prod-orders"


def test_an_order_that_is_settled_meanwhile_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stage, "orders_table", lambda _: TABLE)
    waiting, settled = an_order(), an_order()
    with mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )
        for order in (waiting, settled):
            old = {name: value for name, value in to_item(order).items() if name != "due_at"}
            client.put_item(TableName=TABLE, Item=old)
        update = client.update_item

        def settled_before(**request: Any) -> Any:  # noqa: ANN401  # as boto3's client has it
            client.put_item(TableName=TABLE, Item=to_item(settled.processed("payment-1")))
            return update(**request)

        with (
            patch.object(client, "update_item", settled_before),
            patch.object(boto3.Session, "client", lambda *_: client),
        ):
            done = run(backfill.main, "--stage", "prod")

        items = {item["order_id"]["S"]: item for item in client.scan(TableName=TABLE)["Items"]}
        client.delete_table(TableName=TABLE)  # moto's memory may be that of the whole session

    assert done == Ended(0, "1 orders of stage prod are due now. RecoverOrders settles them.\n", "")
    assert "due_at" in items[str(waiting.order_id)]
    assert "due_at" not in items[str(settled.order_id)]
