"""The steps of docs/deploy.md from a table of the old kind to the index `due-orders`, on DynamoDB Local."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from functions import recover_orders
from local import serverless_yml
from shared.order import Order, Status
from shared.order_table import OrderTable, to_item
from tests.builders import Context, FakeProvider, an_order, an_order_of_age
from tests.e2e.command import run
from tests.waiting import eventually
from tools import backfill
from tools.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeDefinitionTypeDef

NAME = "orders-of-the-old-kind"
CREATED_AT: "AttributeDefinitionTypeDef" = {"AttributeName": "created_at", "AttributeType": "S"}


def indexes(client: "DynamoDBClient") -> dict[str, str]:
    description = client.describe_table(TableName=NAME)["Table"]
    return {each["IndexName"]: each["IndexStatus"] for each in description.get("GlobalSecondaryIndexes", [])}


def test_orders_of_an_older_table_are_settled_once_they_are_backfilled(
    client: "DynamoDBClient",
    resolved_service: dict[str, Any],
    provider: FakeProvider,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    definition = serverless_yml.orders_table_definition(resolved_service) | {"TableName": NAME}
    [due_orders] = definition["GlobalSecondaryIndexes"]
    attributes = [each for each in definition["AttributeDefinitions"] if each["AttributeName"] != "due_at"]
    keys = [due_orders["KeySchema"][0], {"AttributeName": "created_at", "KeyType": "RANGE"}]
    pending_orders = due_orders | {"IndexName": "pending-orders", "KeySchema": keys}
    old_kind = {"AttributeDefinitions": [*attributes, CREATED_AT], "GlobalSecondaryIndexes": [pending_orders]}
    client.create_table(**definition | old_kind)
    table = OrderTable(NAME, client)
    monkeypatch.setattr(recover_orders, "orders", table)
    monkeypatch.setattr(Stage, "orders_table", lambda _: NAME)
    monkeypatch.setattr(boto3.Session, "client", lambda *_: client)
    settled, *waiting = [put_without_due_at(client, an_order_of_age(timedelta(hours=1))) for _ in range(30)]
    update = client.update_item

    def settle_one_before_it_is_changed(**request: Any) -> Any:  # noqa: ANN401  # as boto3's client has it
        if request["Key"]["order_id"]["S"] == str(settled.order_id):
            client.put_item(TableName=NAME, Item=to_item(settled.processed("payment-1")))
        return update(**request)

    monkeypatch.setattr(client, "update_item", settle_one_before_it_is_changed)

    client.update_table(
        TableName=NAME,
        AttributeDefinitions=[*definition["AttributeDefinitions"], CREATED_AT],
        GlobalSecondaryIndexUpdates=[{"Create": due_orders}],
    )
    eventually(lambda: set(indexes(client).values()) == {"ACTIVE"})
    young = table.create(an_order())
    assert recover_orders.lambda_handler({}, Context())["recovered"] == 0
    assert run(backfill.main, "--stage", "prod").stdout.startswith("29 orders of stage prod are due now.")
    assert run(backfill.main, "--stage", "prod").stdout.startswith("0 orders")
    assert recover_orders.lambda_handler({}, Context()) == {"recovered": 29, "deferred": 0, "failed": 0}
    client.update_table(TableName=NAME, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "pending-orders"}}])

    eventually(lambda: indexes(client) == {"due-orders": "ACTIVE"})
    assert sorted(provider.searches) == sorted(order.order_id for order in waiting)
    assert {table.get(order.order_id).status for order in waiting} == {Status.PROCESSED}
    assert table.get(young.order_id) == young
    assert (table.get(settled.order_id).payment_id, table.get(settled.order_id).due_at) == ("payment-1", None)


def put_without_due_at(client: "DynamoDBClient", order: Order) -> Order:
    client.put_item(TableName=NAME, Item={name: value for name, value in to_item(order).items() if name != "due_at"})
    return order
