"""The table in memory, on which the simulation runs, does what DynamoDB Local does: each test runs on both."""

import itertools
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from local import serverless_yml
from local.stream_mapping.records import to_lambda_record
from shared import clock
from shared.order import Order, OrderNotFound, Status, to_timestamp
from shared.order_table import DueOrder, OrderTable, to_item
from simulation.aws.memory_dynamodb import MemoryDynamoDB
from simulation.aws.stream import a_stream_record
from simulation.aws.update_statement import Item
from tests.builders import an_order

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PATIENCE_SECONDS = 10
NOW = clock.now()

_numbers = itertools.count(1)


@dataclass
class Memory:
    """The table in memory, and the records of its stream."""

    def __post_init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.name = "orders"
        self.client = cast("DynamoDBClient", MemoryDynamoDB(self.name, self._on_change))

    def inserted(self, count: int) -> list[dict[str, Any]]:
        """Return the stream's first records of inserted items."""
        assert len(self.records) == count
        return self.records

    def _on_change(self, before: Item | None, after: Item) -> None:
        if before is None:
            self.records.append(a_stream_record(after, f"{len(self.records):021d}", clock.now()))


@dataclass
class Local:
    """A table of DynamoDB Local, and the records of its stream."""

    client: "DynamoDBClient"
    name: str
    endpoint_url: str

    def inserted(self, count: int) -> list[dict[str, Any]]:
        """Return the stream's first records of inserted items."""
        streams: Any = boto3.client("dynamodbstreams", endpoint_url=self.endpoint_url)
        arn = self.client.describe_table(TableName=self.name)["Table"]["LatestStreamArn"]
        [shard] = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        first = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
        deadline = time.monotonic() + PATIENCE_SECONDS
        records: list[dict[str, Any]] = []
        while len(records) < count:
            assert time.monotonic() < deadline
            iterator = streams.get_shard_iterator(**first)["ShardIterator"]
            records = [
                record
                for record in streams.get_records(ShardIterator=iterator)["Records"]
                if record["eventName"] == "INSERT"
            ]
        return records


Backend = Memory | Local


@pytest.fixture(params=["memory", "DynamoDB Local"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "memory":
        return Memory()
    database, resolved = request.getfixturevalue("dynamodb"), request.getfixturevalue("resolved_service")
    client: DynamoDBClient = boto3.client("dynamodb", endpoint_url=database.endpoint_url)
    name = f"conformance-{next(_numbers)}"
    client.create_table(**serverless_yml.orders_table_definition(resolved) | {"TableName": name})
    return Local(client, name, database.endpoint_url)


@pytest.fixture
def table(backend: Backend) -> OrderTable:
    return OrderTable(backend.name, backend.client)


def test_an_order_is_put_once_and_the_second_put_returns_the_first(table: OrderTable) -> None:
    order = an_order()
    settled = order.processed("payment-1")

    assert table.create(order) == order
    table.record([settled])
    assert table.create(order) == table.get(order.order_id) == settled


def test_a_condition_that_fails_returns_the_item_only_if_asked(backend: Backend, table: OrderTable) -> None:
    order = table.create(an_order())

    with pytest.raises(backend.client.exceptions.ConditionalCheckFailedException) as raised:
        backend.client.put_item(
            TableName=backend.name, Item=to_item(order), ConditionExpression="attribute_not_exists(order_id)"
        )

    assert "Item" not in raised.value.response
    assert raised.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


def test_an_unconditional_put_replaces_an_item(backend: Backend, table: OrderTable) -> None:
    order = table.create(an_order())
    poison = to_item(order) | {"customer_id": {"N": "7"}}

    backend.client.put_item(TableName=backend.name, Item=poison)

    key = {"order_id": poison["order_id"]}
    assert backend.client.get_item(TableName=backend.name, Key=key, ConsistentRead=True)["Item"] == poison


def test_what_is_not_there_is_not_found(table: OrderTable) -> None:
    with pytest.raises(OrderNotFound):
        table.get(an_order().order_id)
    assert table.read([an_entry(an_order())]) == []
    [result] = table.record([an_order().processed("payment-1")])
    assert isinstance(result, OrderNotFound)


def test_orders_are_read_in_batches(table: OrderTable) -> None:
    stored = [table.create(an_order()) for _ in range(100)]

    read = table.read([an_entry(order) for order in stored])

    assert dict(read) == {an_entry(order): order for order in stored}


@pytest.mark.parametrize("settle", [lambda order: order.processed("payment-1"), lambda order: order.declined("no")])
def test_a_pending_order_is_settled_once(table: OrderTable, settle: Any) -> None:  # noqa: ANN401
    order = table.create(an_order())
    deferred = order.deferred(NOW)
    settled = settle(deferred)

    assert table.record([deferred]) == [deferred]
    assert table.record([settled]) == [settled]
    for late in (order.processed("payment-2"), order.declined("late"), order.deferred(NOW), deferred.deferred(NOW)):
        assert table.record([late]) == [settled]
    assert table.get(order.order_id) == settled
    assert list(table.due(NOW + timedelta(days=1), str(order.order_id)[0])) == []


def test_an_attempt_that_another_one_has_overtaken_changes_nothing(table: OrderTable) -> None:
    order = table.create(an_order())
    first, late = order.deferred(NOW), order.deferred(NOW + timedelta(hours=1))
    second = first.deferred(NOW + timedelta(minutes=1))

    assert [table.record([each]) for each in (first, late, second, late, second)] == [
        [first],
        [first],
        [second],
        [second],
        [second],
    ]


def test_each_statement_of_a_call_has_its_own_result(table: OrderTable) -> None:
    orders = [table.create(an_order()) for _ in range(24)]
    settled = orders[0].declined("no")
    table.record([settled])
    outcomes = [order.processed(f"payment-{number}") for number, order in enumerate(orders)]

    results = table.record([*outcomes, an_order().processed("payment-x")])

    assert results[:-1] == [settled, *outcomes[1:]]
    assert isinstance(results[-1], OrderNotFound)


def test_an_update_without_a_condition_is_made_and_returns_nothing(backend: Backend, table: OrderTable) -> None:
    order = table.create(an_order())
    statement = f'UPDATE "{backend.name}" SET "status"=? REMOVE "pending_bucket" WHERE "order_id"=?'  # noqa: S608  # no input

    answer = backend.client.batch_execute_statement(
        Statements=[{"Statement": statement, "Parameters": [{"S": "PROCESSED"}, {"S": str(order.order_id)}]}]
    )

    assert answer["Responses"] == [{"TableName": backend.name}]
    assert table.get(order.order_id).status is Status.PROCESSED


@pytest.mark.parametrize("count", [26, 2])
def test_a_call_with_too_many_statements_or_two_for_one_order_is_refused(table: OrderTable, count: int) -> None:
    order = table.create(an_order())
    outcomes = [order.processed("payment-1")] * 2 if count == 2 else [an_order().processed("p") for _ in range(count)]

    with pytest.raises(ClientError) as raised:
        table.record(outcomes)

    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_too_many_keys_are_refused(backend: Backend) -> None:
    keys: list[Any] = [{"order_id": {"S": str(number)}} for number in range(101)]

    with pytest.raises(ClientError) as raised:
        backend.client.batch_get_item(RequestItems={backend.name: {"Keys": keys}})

    assert raised.value.response["Error"]["Code"] == "ValidationException"


def test_a_missing_table_is_not_found(backend: Backend) -> None:
    missing = OrderTable("missing", backend.client)
    order = an_order()

    for call in (lambda: missing.create(order), lambda: missing.get(order.order_id), lambda: next(missing.due(NOW))):
        with pytest.raises(ClientError) as raised:
            call()
        assert raised.value.response["Error"]["Code"] == "ResourceNotFoundException"
    [result] = missing.record([order.processed("payment-1")])
    assert str(result) == "ResourceNotFound"


def test_the_index_lists_what_waits_by_the_time_when_it_is_due(backend: Backend, table: OrderTable) -> None:
    stored = [table.create(in_one_bucket(NOW - timedelta(seconds=seconds))) for seconds in (5, 1, 4, 2, 3)]
    deferred = stored[0].deferred(NOW + timedelta(hours=1))
    table.record([deferred, stored[1].processed("payment-1")])

    assert due_in(table, NOW) == [stored[2].order_id, stored[4].order_id, stored[3].order_id]
    assert due_in(table, NOW + timedelta(hours=1))[-1] == deferred.order_id
    [entry] = page_of(backend, NOW, Limit=1)["Items"]
    assert entry == {name: to_item(stored[2])[name] for name in ("pending_bucket", "due_at", "order_id")}


def test_a_page_ends_at_its_limit_and_the_next_begins_after_it(backend: Backend, table: OrderTable) -> None:
    stored = [table.create(in_one_bucket(NOW - timedelta(seconds=9 - number))) for number in range(4)]

    first = page_of(backend, NOW, Limit=2)
    second = page_of(backend, NOW, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])

    found = [item["order_id"]["S"] for page in (first, second) for item in page["Items"]]
    assert found == [str(order.order_id) for order in stored]
    assert "LastEvaluatedKey" in second  # though nothing comes after it
    assert "LastEvaluatedKey" not in page_of(backend, NOW, Limit=5)


def test_an_entry_is_moved_on_only_if_it_is_as_it_was_read(table: OrderTable) -> None:
    order = table.create(in_one_bucket(NOW))
    [entry] = table.due(NOW, "a")
    later = NOW + timedelta(hours=1)

    table.postpone(entry, later)
    table.postpone(entry, later + timedelta(hours=1))

    assert table.get(order.order_id).due_at == later
    assert due_in(table, NOW) == []


def test_the_stream_has_a_record_of_each_insert(backend: Backend, table: OrderTable) -> None:
    stored = [table.create(an_order(sampled=True)) for _ in range(3)]
    table.record([stored[0].processed("payment-1")])
    table.create(stored[1])

    records = [to_lambda_record(record, "arn") for record in backend.inserted(3)]

    assert [record["dynamodb"]["NewImage"] for record in records] == [to_item(order) for order in stored]
    assert [record["dynamodb"]["Keys"] for record in records] == [
        {"order_id": {"S": str(order.order_id)}} for order in stored
    ]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(numbers)
    assert len({len(number) for number in numbers}) == 1
    assert {frozenset(record) for record in records} == {
        frozenset({"eventID", "eventName", "eventVersion", "eventSource", "awsRegion", "dynamodb", "eventSourceARN"})
    }


def in_one_bucket(due_at: datetime) -> Order:
    """Return an order that is listed in bucket a."""
    order_id = UUID(f"a{str(uuid4())[1:]}")
    return an_order().model_copy(update={"order_id": order_id, "due_at": due_at})


def an_entry(order: Order) -> DueOrder:
    """Return an order's entry in the index."""
    return DueOrder(to_timestamp(cast("datetime", order.due_at)), str(order.order_id))


def due_in(table: OrderTable, now: datetime) -> list[UUID]:
    """Return what is due in bucket a."""
    return [UUID(entry.order_id) for entry in table.due(now, "a")]


def page_of(backend: Backend, now: datetime, **options: Any) -> Any:  # noqa: ANN401  # as boto3's client has them
    """Read a page of bucket a."""
    return backend.client.query(
        TableName=backend.name,
        IndexName="due-orders",
        KeyConditionExpression="pending_bucket = :bucket AND due_at <= :now",
        ExpressionAttributeValues={":bucket": {"S": "a"}, ":now": {"S": to_timestamp(now)}},
        **options,
    )
