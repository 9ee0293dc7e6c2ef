"""The stream mapping on the real DynamoDB Local: its stream, and its end and return while the mapping runs."""

import itertools
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from local.dynamodb import DynamoDBLocal
from local.stream_mapping import MappingSettings
from tests.integration.conftest import stream_mapping
from tests.waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Change = tuple[str, int]
_numbers = itertools.count(1)


class Table:
    """A table with a stream, what is put into it, and a function that remembers the images it got, in order."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self.client, self.name = client, f"changes-{next(_numbers)}"
        self.images: list[Change] = []
        client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

    def put(self, order_id: str, version: int) -> Change:
        self.client.put_item(TableName=self.name, Item={"order_id": {"S": order_id}, "version": {"N": str(version)}})
        return order_id, version

    def invoke(self, event: dict[str, Any], _: int) -> None:
        images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
        self.images += [(image["order_id"]["S"], int(image["version"]["N"])) for image in images]


def test_every_wanted_change_arrives_once_and_in_its_items_order(client: "DynamoDBClient") -> None:
    table = Table(client)
    wanted: dict[str, Any] = {"eventName": ["INSERT", "MODIFY"]}
    settings = MappingSettings(batch_size=4, parallelization_factor=3, filter_patterns=(wanted,))
    before = [table.put(order_id, 1) for order_id in "abcdef"]

    with stream_mapping(client, table.name, settings, table.invoke) as failures:
        after = [table.put(order_id, version) for version in (2, 3, 4) for order_id in "abcdef"]
        client.delete_item(TableName=table.name, Key={"order_id": {"S": "a"}})
        last = table.put("a", 5)
        eventually(lambda: len(table.images) >= len(before + after) + 1)

    assert sorted(table.images) == sorted([*before, *after, last])
    assert sorted(table.images, key=itemgetter(0)) == sorted(table.images)
    assert failures == []


def test_the_mapping_goes_on_where_it_was_when_dynamodb_local_is_killed_and_comes_back(tmp_path: Path) -> None:
    with DynamoDBLocal(database=tmp_path) as database:
        client = boto3.client("dynamodb", endpoint_url=database.endpoint_url)
        table = Table(client)
        changes = [table.put(order_id, 1) for order_id in "abcdef"]

        with stream_mapping(client, table.name, MappingSettings(parallelization_factor=2), table.invoke):
            eventually(lambda: len(table.images) == len(changes))
            database.kill()
            database.start()
            changes += [table.put(order_id, 2) for order_id in "abcdef"]
            eventually(lambda: len(table.images) >= len(changes))

    assert sorted(table.images) == sorted(changes)
