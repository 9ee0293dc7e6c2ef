"""The orders table on the in-memory DynamoDB.

tests/integration/test_memory_dynamodb.py runs these tests on DynamoDB Local, too.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError

from shared.order import IdempotencyKeyReused, Order, OrderNotFound, Status, to_timestamp
from shared.order_table import KEYS_PER_CALL, STATEMENTS_PER_CALL, DueOrder, OrderTable, UnreadableOrder, to_item
from tests.builders import an_order

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

Settle = Callable[[Order], Order]
SETTLE: list[Settle] = [lambda order: order.processed("payment-1"), lambda order: order.declined("insufficient funds")]


def in_bucket_a(due_at: datetime) -> Order:
    """An order that the index lists in bucket a."""
    return an_order().model_copy(update={"order_id": UUID(f"a{str(uuid4())[1:]}"), "due_at": due_at})


def entry(order: Order) -> DueOrder:
    return DueOrder(to_timestamp(order.due_at or NOW), str(order.order_id))


def item(client: "DynamoDBClient", table: OrderTable, order: Order) -> dict[str, Any]:
    """What DynamoDB has stored."""
    key = {"order_id": {"S": str(order.order_id)}}
    return client.get_item(TableName=table.name, Key=key, ConsistentRead=True)["Item"]


def put(client: "DynamoDBClient", table: OrderTable, item: dict[str, Any]) -> None:
    client.put_item(TableName=table.name, Item=item)


def test_an_order_is_put_once_and_the_second_put_returns_the_first(client: "DynamoDBClient", table: OrderTable) -> None:
    order = an_order(sampled=True)
    settled = order.processed("payment-1")

    assert table.create(order) is order
    assert item(client, table, order) == to_item(order)
    table.record([settled])
    assert table.create(order) == table.get(order.order_id) == settled


def test_an_order_with_other_content_is_not_replayed(table: OrderTable) -> None:
    order = table.create(an_order("1.00"))

    with pytest.raises(IdempotencyKeyReused):
        table.create(an_order("2.00").model_copy(update={"order_id": order.order_id}))


def test_what_is_not_there_is_not_found(table: OrderTable) -> None:
    order = an_order()

    with pytest.raises(OrderNotFound):
        table.get(order.order_id)
    assert table.read([entry(order)]) == []
    [result] = table.record([order.processed("payment-1")])
    assert isinstance(result, OrderNotFound)


@pytest.mark.parametrize("settle", SETTLE)
def test_a_pending_order_is_settled_once(client: "DynamoDBClient", table: OrderTable, settle: Settle) -> None:
    order = table.create(an_order())
    deferred = order.deferred(NOW)
    settled = settle(deferred)

    assert table.record([deferred]) == [deferred]
    assert item(client, table, order) == to_item(deferred)
    assert table.record([settled]) == [settled]
    for late in (order.processed("payment-2"), order.declined("late"), order.deferred(NOW), deferred.deferred(NOW)):
        assert table.record([late]) == [settled]
    assert item(client, table, order) == to_item(settled)
    assert list(table.due(NOW + 24 * HOUR)) == []


def test_an_attempt_that_another_one_has_overtaken_changes_nothing(table: OrderTable) -> None:
    order = table.create(an_order())
    first, late = order.deferred(NOW), order.deferred(NOW + HOUR)
    second = first.deferred(NOW + timedelta(minutes=1))
    attempts = [first, late, second, late, second]

    assert [table.record([each])[0] for each in attempts] == [first, first, second, second, second]


def test_each_outcome_of_a_call_has_its_own_result(client: "DynamoDBClient", table: OrderTable) -> None:
    orders = [table.create(an_order()) for _ in range(STATEMENTS_PER_CALL - 1)]
    settled, unreadable = orders[0].declined("no"), to_item(orders[1].processed("payment-1"))
    table.record([settled])
    put(client, table, unreadable | {"currency": {"N": "7"}})
    outcomes = [order.processed(f"payment-{number}") for number, order in enumerate(orders)]

    results = table.record([*outcomes, an_order().processed("payment-x")])

    assert (results[0], results[2:-1]) == (settled, outcomes[2:])
    assert isinstance(results[1], UnreadableOrder)
    assert isinstance(results[-1], OrderNotFound)


def test_what_is_due_comes_by_the_time_when_it_became_due(client: "DynamoDBClient", table: OrderTable) -> None:
    orders = [table.create(in_bucket_a(NOW - number * HOUR)) for number in range(5)]
    other = table.create(an_order().model_copy(update={"order_id": UUID(int=7), "due_at": NOW - 1.5 * HOUR}))
    table.create(in_bucket_a(NOW + timedelta(milliseconds=1)))
    deferred = orders[4].deferred(NOW + HOUR)
    table.record([deferred, orders[3].processed("payment-1")])

    assert list(table.due(NOW)) == [entry(order) for order in (orders[2], other, orders[1], orders[0])]
    assert list(table.due(NOW, "1a")) == [entry(order) for order in (orders[2], orders[1], orders[0])]
    assert list(table.due(NOW + HOUR))[-1] == entry(deferred)
    [listed] = page_of_bucket_a(client, table, Limit=1)["Items"]
    assert listed == {name: to_item(orders[2])[name] for name in ("pending_bucket", "due_at", "order_id")}


def test_what_is_due_is_read_page_after_page_and_in_batches(table: OrderTable) -> None:
    orders = [table.create(in_bucket_a(NOW - timedelta(seconds=200 - number))) for number in range(KEYS_PER_CALL + 1)]

    due = list(table.due(NOW))

    assert due == [entry(order) for order in orders]
    assert dict(table.read(due[:KEYS_PER_CALL])) == {entry(order): order for order in orders[:KEYS_PER_CALL]}


def test_an_item_that_is_not_an_order_is_told_from_the_others(client: "DynamoDBClient", table: OrderTable) -> None:
    readable, unreadable = table.create(an_order()), an_order()
    put(client, table, to_item(unreadable) | {"created_at": {"S": "Ada Lovelace"}})

    read = dict(table.read([entry(readable), entry(unreadable)]))

    assert read[entry(readable)] == readable
    assert isinstance(read[entry(unreadable)], UnreadableOrder)
    assert str(read[entry(unreadable)]) == "created_at (datetime_from_date_parsing)"


def test_an_entry_is_moved_on_only_if_it_is_as_it_was_read(table: OrderTable) -> None:
    order = table.create(in_bucket_a(NOW))

    table.postpone(entry(order), NOW + HOUR)
    table.postpone(entry(order), NOW + 2 * HOUR)

    assert table.get(order.order_id) == order.model_copy(update={"due_at": NOW + HOUR})
    assert list(table.due(NOW)) == []


@pytest.mark.parametrize("count", [STATEMENTS_PER_CALL + 1, 2])
def test_a_call_with_too_many_statements_or_two_for_one_order_is_refused(table: OrderTable, count: int) -> None:
    outcomes = [an_order().processed("payment-1") for _ in range(count)]

    with pytest.raises(ClientError, match="ValidationException"):
        table.record([outcomes[0], outcomes[0]] if count == 2 else outcomes)


def test_a_call_with_too_many_keys_is_refused(table: OrderTable) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        table.read([entry(an_order()) for _ in range(KEYS_PER_CALL + 1)])


def test_a_missing_table_is_not_found(client: "DynamoDBClient") -> None:
    missing, order = OrderTable("missing", client), an_order()

    for call in (lambda: missing.create(order), lambda: missing.get(order.order_id), lambda: next(missing.due(NOW))):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            call()
    [result] = missing.record([order.processed("payment-1")])
    assert str(result) == "ResourceNotFound"


def test_a_condition_that_fails_returns_the_item_only_if_asked(client: "DynamoDBClient", table: OrderTable) -> None:
    order = to_item(table.create(an_order()))

    with pytest.raises(client.exceptions.ConditionalCheckFailedException) as raised:
        client.put_item(TableName=table.name, Item=order, ConditionExpression="attribute_not_exists(order_id)")

    assert "Item" not in raised.value.response
    assert raised.value.response["Error"]["Code"] == "ConditionalCheckFailedException"


def test_an_update_without_a_condition_is_made_and_returns_nothing(client: "DynamoDBClient", table: OrderTable) -> None:
    order = table.create(an_order())
    statement = f'UPDATE "{table.name}" SET "status"=? REMOVE "pending_bucket" WHERE "order_id"=?'  # noqa: S608  # no input

    answer = client.batch_execute_statement(
        Statements=[{"Statement": statement, "Parameters": [{"S": "PROCESSED"}, {"S": str(order.order_id)}]}]
    )

    assert answer["Responses"] == [{"TableName": table.name}]
    assert table.get(order.order_id).status is Status.PROCESSED


def test_a_page_ends_at_its_limit_and_the_next_begins_after_it(client: "DynamoDBClient", table: OrderTable) -> None:
    orders = [table.create(in_bucket_a(NOW - timedelta(seconds=9 - number))) for number in range(4)]

    first = page_of_bucket_a(client, table, Limit=2)
    second = page_of_bucket_a(client, table, Limit=2, ExclusiveStartKey=first["LastEvaluatedKey"])

    found = [item["order_id"]["S"] for page in (first, second) for item in page["Items"]]
    assert found == [str(order.order_id) for order in orders]
    assert "LastEvaluatedKey" in second  # though nothing comes after it
    assert "LastEvaluatedKey" not in page_of_bucket_a(client, table, Limit=5)


def page_of_bucket_a(client: "DynamoDBClient", table: OrderTable, **options: Any) -> Any:  # noqa: ANN401  # as boto3's client has them
    return client.query(
        TableName=table.name,
        IndexName="due-orders",
        KeyConditionExpression="pending_bucket = :bucket AND due_at <= :now",
        ExpressionAttributeValues={":bucket": {"S": "a"}, ":now": {"S": to_timestamp(NOW)}},
        **options,
    )
