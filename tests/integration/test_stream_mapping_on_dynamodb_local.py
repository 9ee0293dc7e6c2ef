"""The stream mapping on the real DynamoDB Local: its stream, and its end and return while the mapping runs."""

from operator import itemgetter
from pathlib import Path
from typing import Any

import boto3

from local.dynamodb import DynamoDBLocal
from local.stream_mapping import MappingSettings
from tests.integration.conftest import stream_mapping
from tests.waiting import eventually

TABLE = "changes"
INSERTED_OR_MODIFIED = MappingSettings(
    batch_size=4, parallelization_factor=3, filter_patterns=({"eventName": ["INSERT", "MODIFY"]},)
)


def test_every_wanted_change_arrives_once_and_in_its_items_order_also_after_an_outage(tmp_path: Path) -> None:
    arrived: list[tuple[str, int]] = []

    def invoke(event: dict[str, Any], _: int) -> None:
        images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
        arrived.extend((image["order_id"]["S"], int(image["version"]["N"])) for image in images)

    with DynamoDBLocal(database=tmp_path) as database:
        client = boto3.client("dynamodb", endpoint_url=database.endpoint_url)
        client.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

        def put(version: int) -> list[tuple[str, int]]:
            for order_id in "abcdef":
                client.put_item(TableName=TABLE, Item={"order_id": {"S": order_id}, "version": {"N": str(version)}})
            return [(order_id, version) for order_id in "abcdef"]

        changes = put(1)
        with stream_mapping(client, TABLE, INSERTED_OR_MODIFIED, invoke) as failures:
            changes += put(2)
            client.delete_item(TableName=TABLE, Key={"order_id": {"S": "a"}})
            changes += put(3)
            eventually(lambda: len(arrived) >= len(changes))
            database.kill()
            database.start()
            changes += put(4)
            eventually(lambda: len(arrived) >= len(changes))

    assert sorted(arrived) == sorted(changes)
    assert sorted(arrived, key=itemgetter(0)) == sorted(arrived)
    assert failures == []
