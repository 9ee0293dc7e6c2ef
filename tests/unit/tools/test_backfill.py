"""`npm run backfill` on a table of the old kind, in moto's memory."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

import boto3
import pytest
from moto import mock_aws

from shared import clock
from shared.order import Order, to_timestamp
from shared.order_table import to_item
from tests.builders import an_order
from tests.e2e.command import Ended, run
from tools import backfill

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "order-processor-prod-orders"
TEMPLATE = {
    "Resources": {
        "OrdersTable": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "TableName": TABLE,
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "order_id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "order_id", "KeyType": "HASH"}],
            },
        }
    }
}


@pytest.fixture
def client() -> Iterator["DynamoDBClient"]:
    """The table of stage `prod`, as its stack names it."""
    stack = "order-processor-prod"
    with mock_aws():
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack(StackName=stack, TemplateBody=json.dumps(TEMPLATE))
        yield boto3.client("dynamodb")
        cloudformation.delete_stack(StackName=stack)  # moto's memory may be that of the whole session


def put(client: "DynamoDBClient", order: Order, *, without_due_at: bool = False) -> UUID:
    item = to_item(order)
    if without_due_at:
        del item["due_at"]
    client.put_item(TableName=TABLE, Item=item)
    return order.order_id


def item(client: "DynamoDBClient", order_id: UUID) -> dict[str, Any]:
    return client.get_item(TableName=TABLE, Key={"order_id": {"S": str(order_id)}})["Item"]


def test_pending_orders_without_a_due_time_are_due_now_and_all_others_stay_as_they_are(
    client: "DynamoDBClient",
) -> None:
    waiting = [put(client, an_order(), without_due_at=True) for _ in range(3)]
    others = [put(client, an_order()), put(client, an_order().processed("payment-1"))]
    before, others_before = clock.now(), [item(client, order_id) for order_id in others]

    done = run(backfill.main, "--stage", "prod")

    assert done == Ended(0, "3 orders of stage prod are due now. RecoverOrders settles them.\n", "")
    for order_id in waiting:
        changed = item(client, order_id)
        assert to_timestamp(before) <= changed["due_at"]["S"] <= to_timestamp(clock.now())
        assert changed["pending_bucket"]["S"] == str(order_id)[0]
    assert [item(client, order_id) for order_id in others] == others_before


def test_it_can_be_repeated(client: "DynamoDBClient") -> None:
    put(client, an_order(), without_due_at=True)
    run(backfill.main, "--stage", "prod")

    done = run(backfill.main, "--stage", "prod")

    assert done.stdout == "0 orders of stage prod are due now. RecoverOrders settles them.\n"


def test_an_order_that_is_settled_meanwhile_stays_as_it_is(client: "DynamoDBClient") -> None:
    order = an_order()
    put(client, order, without_due_at=True)
    update = client.update_item

    def settled_before(**request: Any) -> Any:  # noqa: ANN401  # as boto3's client has it
        put(client, order.processed("payment-1"))
        return update(**request)

    with patch.object(client, "update_item", settled_before):
        assert backfill.backfill(client, TABLE) == 0

    assert "due_at" not in item(client, order.order_id)


def test_it_is_told_which_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        backfill.main([])

    assert capsys.readouterr().err.splitlines()[-1] == "npm run backfill --: error: name the --stage"


@pytest.mark.usefixtures("client")
def test_a_stage_that_is_not_deployed_is_one_line() -> None:
    failed = run(backfill.main, "--stage", "prod", "--region", "eu-west-1")

    assert failed.code == 1
    assert failed.stderr.startswith("Stage prod is not deployed in eu-west-1:")
