"""DynamoDB in memory, on which the unit tests and the simulation run, does what DynamoDB Local does.

tests/unit/shared/test_order_table.py tests the orders table in memory; its tests run here on DynamoDB Local.
"""

import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from local.dynamodb import DynamoDBLocal
from local.stream_mapping.records import to_lambda_record
from shared.order_table import OrderTable
from tests.builders import a_record, an_order
from tests.unit.shared.test_order_table import *  # noqa: F403

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PATIENCE_SECONDS = 10


@pytest.fixture
def table(orders: OrderTable) -> OrderTable:
    return orders


def test_a_record_of_the_stream_is_as_the_tests_build_it(
    dynamodb: DynamoDBLocal, client: "DynamoDBClient", table: OrderTable
) -> None:
    orders = [table.create(an_order(sampled=True)) for _ in range(3)]
    streams: Any = boto3.client("dynamodbstreams", endpoint_url=dynamodb.endpoint_url)
    arn = client.describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    first = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    deadline = time.monotonic() + PATIENCE_SECONDS
    records: list[dict[str, Any]] = []
    while len(records) < len(orders):
        assert time.monotonic() < deadline
        iterator = streams.get_shard_iterator(**first)["ShardIterator"]
        records = [to_lambda_record(record, arn) for record in streams.get_records(ShardIterator=iterator)["Records"]]

    for record, order in zip(records, orders, strict=True):
        built = a_record(order)
        assert record.keys() == built.keys()
        assert record["dynamodb"].keys() == built["dynamodb"].keys()
        assert [record["dynamodb"][name] for name in ("Keys", "NewImage")] == [
            built["dynamodb"][name] for name in ("Keys", "NewImage")
        ]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(numbers)
    assert len({len(number) for number in numbers}) == 1
