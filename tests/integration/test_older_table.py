"""The steps of docs/deploy.md from a table of the old kind to the index `due-orders`, on DynamoDB Local."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from functions import recover_orders
from local import serverless_yml
from shared.order import Order, Status
from shared.order_table import OrderTable, to_item
from tests.builders import Context, FakeProvider, an_order, an_order_of_age
from tests.waiting import eventually
from tools.backfill import backfill

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
    waiting = [put_without_due_at(client, an_order_of_age(timedelta(hours=1))) for _ in range(30)]

    client.update_table(
        TableName=NAME,
        AttributeDefinitions=[*definition["AttributeDefinitions"], CREATED_AT],
        GlobalSecondaryIndexUpdates=[{"Create": due_orders}],
    )
    eventually(lambda: set(indexes(client).values()) == {"ACTIVE"})
    young = table.create(an_order())
    assert recover_orders.lambda_handler({}, Context())["recovered"] == 0
    assert [backfill(client, NAME), backfill(client, NAME)] == [30, 0]
    assert recover_orders.lambda_handler({}, Context()) == {"recovered": 30, "deferred": 0, "failed": 0}
    client.update_table(TableName=NAME, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "pending-orders"}}])

    eventually(lambda: indexes(client) == {"due-orders": "ACTIVE"})
    assert sorted(provider.searches) == sorted(order.order_id for order in waiting)
    assert {table.get(order.order_id).status for order in waiting} == {Status.PROCESSED}
    assert table.get(young.order_id) == young


def put_without_due_at(client: "DynamoDBClient", order: Order) -> Order:
    client.put_item(TableName=NAME, Item={name: value for name, value in to_item(order).items() if name != "due_at"})
    return order
