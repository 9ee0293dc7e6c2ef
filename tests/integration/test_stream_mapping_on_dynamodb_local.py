"""The stream mapping on the real DynamoDB Local: its stream, and its end and return while the mapping runs."""

import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from local.dynamodb import DynamoDBLocal
from local.stream_mapping import MappingSettings, StreamMapping
from tests.waiting import eventually

PATIENCE_SECONDS = 20
_numbers = itertools.count(1)
NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)


class Table:
    """A table with a stream, and what is put into it."""

    def __init__(self, database: DynamoDBLocal) -> None:
        self.name = f"changes-{next(_numbers)}"
        self.client = boto3.client("dynamodb", endpoint_url=database.endpoint_url)
        self.streams = boto3.client("dynamodbstreams", endpoint_url=database.endpoint_url, config=NO_RETRIES)
        created = self.client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        self.stream_arn = created["TableDescription"]["LatestStreamArn"]

    def put(self, order_id: str, version: int) -> tuple[str, int]:
        self.client.put_item(TableName=self.name, Item={"order_id": {"S": order_id}, "version": {"N": str(version)}})
        return order_id, version

    def delete(self, order_id: str) -> None:
        self.client.delete_item(TableName=self.name, Key={"order_id": {"S": order_id}})


class Function:
    """Remembers the images it got, in order."""

    def __init__(self) -> None:
        self.images: list[tuple[str, int]] = []
        self._lock = threading.Lock()

    def __call__(self, event: dict[str, Any]) -> None:
        images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
        with self._lock:
            self.images += [(image["order_id"]["S"], int(image["version"]["N"])) for image in images]


@contextmanager
def mapping_of(table: Table, function: Function, settings: MappingSettings) -> Iterator[list[dict[str, Any]]]:
    """A mapping at work; its value is what reached the on-failure destination."""
    failures: list[dict[str, Any]] = []
    stop = threading.Event()
    mapping = StreamMapping(
        settings=settings,
        client=table.streams,
        stream_arn=table.stream_arn,
        function_arn="arn:aws:lambda:us-east-1:000000000000:function:processPayment",
        invoke=lambda event, _: function(event),
        on_failure=failures.append,
        on_event=print,
    )
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(mapping.run, stop)
        try:
            yield failures
        finally:
            stop.set()
            run.result(PATIENCE_SECONDS)


def test_every_wanted_change_arrives_once_and_in_its_items_order(dynamodb: DynamoDBLocal) -> None:
    table, function = Table(dynamodb), Function()
    wanted: dict[str, Any] = {"eventName": ["INSERT", "MODIFY"]}
    before = [table.put(order_id, 1) for order_id in "abcdef"]

    with mapping_of(
        table, function, MappingSettings(batch_size=4, parallelization_factor=3, filter_patterns=(wanted,))
    ) as failures:
        after = [table.put(order_id, version) for version in (2, 3, 4) for order_id in "abcdef"]
        table.delete("a")
        last = table.put("a", 5)
        eventually(lambda: len(function.images) >= len(before + after) + 1)

    assert sorted(function.images) == sorted([*before, *after, last])
    assert sorted(function.images, key=itemgetter(0)) == sorted(function.images)
    assert failures == []


def test_a_change_arrives_within_a_moment_when_nothing_else_is_going_on(dynamodb: DynamoDBLocal) -> None:
    table, function = Table(dynamodb), Function()

    with mapping_of(table, function, MappingSettings()):
        latencies = [seconds_until_it_arrives(table.put("a", version), function) for version in range(10)]

    assert statistics.median(latencies) < 0.3


def seconds_until_it_arrives(change: tuple[str, int], function: Function) -> float:
    started = time.monotonic()
    eventually(lambda: change in function.images)
    return time.monotonic() - started


def test_the_mapping_goes_on_where_it_was_when_dynamodb_local_is_killed_and_comes_back(tmp_path: Path) -> None:
    with DynamoDBLocal(database=tmp_path) as database:
        table, function = Table(database), Function()
        changes = [table.put(order_id, 1) for order_id in "abcdef"]

        with mapping_of(table, function, MappingSettings(parallelization_factor=2)):
            eventually(lambda: len(function.images) == len(changes))
            database.kill()
            database.start()
            changes += [table.put(order_id, 2) for order_id in "abcdef"]
            eventually(lambda: len(function.images) >= len(changes))

    assert sorted(function.images) == sorted(changes)
