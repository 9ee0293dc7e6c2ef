"""The orders table's calls to DynamoDB, which botocore's Stubber checks and answers."""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.stub import Stubber

from shared import clock
from shared.order import IdempotencyKeyReused, Order, OrderNotFound, to_timestamp
from shared.order_table import (
    BUCKETS,
    DueOrder,
    OrderTable,
    OutcomeRefused,
    TableUnavailable,
    TableUnreachable,
    UnreadableOrder,
    to_item,
)
from tests.builders import an_order

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
STILL_PENDING = '"order_id"=? AND "status"=\'PENDING\''

CALLS: dict[str, Callable[[OrderTable], object]] = {
    "put_item": lambda orders: orders.create(an_order()),
    "get_item": lambda orders: orders.get(uuid4()),
    "batch_execute_statement": lambda orders: orders.record([an_order().processed("payment-1")]),
    "query": lambda orders: list(orders.due(NOW, "0")),
    "batch_get_item": lambda orders: list(orders.read(due(an_order()))),
}


@pytest.fixture
def client() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def dynamodb(client: "DynamoDBClient") -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def orders(client: "DynamoDBClient") -> OrderTable:
    return OrderTable("orders", client)


def text(value: object) -> dict[str, str]:
    return {"S": str(value)}


def test_an_order_is_put_only_where_there_is_none(orders: OrderTable, dynamodb: Stubber) -> None:
    order = an_order()
    put = {
        "TableName": "orders",
        "Item": to_item(order),
        "ConditionExpression": "attribute_not_exists(order_id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    dynamodb.add_response("put_item", {}, put)

    assert orders.create(order) is order


def test_the_order_that_was_there_is_returned(orders: OrderTable, dynamodb: Stubber) -> None:
    order = an_order()
    there = order.processed("payment-1")
    dynamodb.add_client_error("put_item", "ConditionalCheckFailedException", modeled_fields={"Item": to_item(there)})

    assert orders.create(order) == there


def test_an_order_with_other_content_is_not_replayed(orders: OrderTable, dynamodb: Stubber) -> None:
    there = an_order("1.00")
    dynamodb.add_client_error("put_item", "ConditionalCheckFailedException", modeled_fields={"Item": to_item(there)})

    with pytest.raises(IdempotencyKeyReused):
        orders.create(an_order("2.00"))


def test_an_order_is_read_consistently(orders: OrderTable, dynamodb: Stubber) -> None:
    order = an_order()
    get = {"TableName": "orders", "Key": {"order_id": text(order.order_id)}, "ConsistentRead": True}
    dynamodb.add_response("get_item", {"Item": to_item(order)}, get)

    assert orders.get(order.order_id) == order


def test_an_order_that_is_not_there_is_not_found(orders: OrderTable, dynamodb: Stubber) -> None:
    dynamodb.add_response("get_item", {})

    with pytest.raises(OrderNotFound):
        orders.get(uuid4())


def recorded(orders: OrderTable, dynamodb: Stubber, outcome: Order, **error: object) -> Order | Exception:
    """Record one outcome, answered with an error if one is given."""
    dynamodb.add_response("batch_execute_statement", {"Responses": [{"Error": error} if error else {}]})
    [result] = orders.record([outcome])
    return result


def expect_update(dynamodb: Stubber, update: str, parameters: Sequence[dict[str, str]]) -> None:
    statement = {"Statement": update, "Parameters": parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    dynamodb.add_response("batch_execute_statement", {"Responses": [{}]}, {"Statements": [statement]})


@pytest.mark.parametrize("attempts", [0, 4])
def test_a_processed_order_waits_no_more(orders: OrderTable, dynamodb: Stubber, attempts: int) -> None:
    order = an_order().model_copy(update={"attempts": attempts, "due_at": NOW if attempts else None})
    outcome = order.processed("payment-1")
    update = (
        'UPDATE "orders" SET "attempt_id"=? SET "status"=? SET "processed_at"=? SET "payment_id"=?'
        ' REMOVE "pending_bucket" REMOVE "due_at" WHERE "order_id"=? AND "status"=\'PENDING\''
    )
    values = [
        outcome.attempt_id,
        "PROCESSED",
        outcome.model_dump(mode="json")["processed_at"],
        "payment-1",
        order.order_id,
    ]
    expect_update(dynamodb, update, [text(value) for value in values])

    assert orders.record([outcome]) == [outcome]


def test_a_declined_order_waits_no_more(orders: OrderTable, dynamodb: Stubber) -> None:
    outcome = an_order().declined("insufficient funds")
    update = (
        'UPDATE "orders" SET "attempt_id"=? SET "status"=? SET "declined_at"=? SET "decline_reason"=?'
        ' REMOVE "pending_bucket" REMOVE "due_at" WHERE "order_id"=? AND "status"=\'PENDING\''
    )
    values = [
        outcome.attempt_id,
        "DECLINED",
        outcome.model_dump(mode="json")["declined_at"],
        "insufficient funds",
        outcome.order_id,
    ]
    expect_update(dynamodb, update, [text(value) for value in values])

    assert orders.record([outcome]) == [outcome]


FIRST_FAILURE = (
    'UPDATE "orders" SET "attempt_id"=? SET "attempts"=? SET "due_at"=?'
    ' WHERE "order_id"=? AND "status"=\'PENDING\' AND "attempts" IS MISSING'
)
LATER_FAILURE = (
    'UPDATE "orders" SET "attempt_id"=? SET "attempts"=? SET "due_at"=?'
    ' WHERE "order_id"=? AND "status"=\'PENDING\' AND "attempts"=?'
)


@pytest.mark.parametrize(
    ("attempts", "update", "parameters"),
    [(0, FIRST_FAILURE, []), (1, LATER_FAILURE, [{"N": "1"}]), (7, LATER_FAILURE, [{"N": "7"}])],
)
def test_a_deferred_order_is_due_again_unless_another_attempt_was_recorded(
    orders: OrderTable, dynamodb: Stubber, attempts: int, update: str, parameters: list[dict[str, str]]
) -> None:
    outcome = an_order().model_copy(update={"attempts": attempts}).deferred(NOW)
    values = [
        text(outcome.attempt_id),
        {"N": str(attempts + 1)},
        text("2026-11-25T12:00:00.000Z"),
        text(outcome.order_id),
    ]
    expect_update(dynamodb, update, [*values, *parameters])

    assert orders.record([outcome]) == [outcome]


def test_each_outcome_has_its_own_result(orders: OrderTable, dynamodb: Stubber) -> None:
    outcomes = [an_order().processed("payment-1") for _ in range(3)]
    responses = [{}, {"Error": {"Code": "ThrottlingError"}}, {}]
    dynamodb.add_response("batch_execute_statement", {"Responses": responses})

    first, second, third = orders.record(outcomes)

    assert (first, third) == (outcomes[0], outcomes[2])
    assert isinstance(second, TableUnavailable)


@pytest.mark.parametrize(
    "code",
    [
        "InternalServerError",
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "TransactionConflict",
    ],
)
def test_a_statement_that_may_succeed_later_is_unavailable(orders: OrderTable, dynamodb: Stubber, code: str) -> None:
    result = recorded(orders, dynamodb, an_order().processed("payment-1"), Code=code)

    assert (type(result), str(result)) == (TableUnavailable, code)


@pytest.mark.parametrize(
    "code",
    ["AccessDenied", "DuplicateItem", "ItemCollectionSizeLimitExceeded", "ResourceNotFound", "ValidationError"],
)
def test_a_statement_that_would_fail_again_is_refused(orders: OrderTable, dynamodb: Stubber, code: str) -> None:
    result = recorded(orders, dynamodb, an_order().processed("payment-1"), Code=code)

    assert (type(result), str(result)) == (OutcomeRefused, code)


def test_an_order_that_another_attempt_settled_is_returned_as_it_is_stored(
    orders: OrderTable, dynamodb: Stubber
) -> None:
    order = an_order()
    stored = order.declined("insufficient funds")
    outcome = order.processed("payment-1")

    assert recorded(orders, dynamodb, outcome, Code="ConditionalCheckFailed", Item=to_item(stored)) == stored


def test_an_order_that_was_deleted_is_not_found(orders: OrderTable, dynamodb: Stubber) -> None:
    result = recorded(orders, dynamodb, an_order().processed("payment-1"), Code="ConditionalCheckFailed")

    assert isinstance(result, OrderNotFound)


def test_an_order_that_cannot_be_read_back_fails_alone(orders: OrderTable, dynamodb: Stubber) -> None:
    outcome = an_order().processed("payment-1")

    result = recorded(orders, dynamodb, outcome, Code="ConditionalCheckFailed", Item={"order_id": text("?")})

    assert isinstance(result, UnreadableOrder)


def entry(bucket: str, due_at: str, number: int = 0) -> dict[str, dict[str, str]]:
    """An entry of the index."""
    order_id = f"{bucket}{number:07x}-0000-4000-8000-000000000000"
    return {"pending_bucket": text(bucket), "order_id": text(order_id), "due_at": text(f"2026-11-25T{due_at}.000Z")}


def expect_query(dynamodb: Stubber, bucket: str, *found: dict[str, Any], more: bool = False, **rest: object) -> None:
    """Expect a query of a bucket of the index, and answer it with the entries found in it."""
    query = {
        "TableName": "orders",
        "IndexName": "due-orders",
        "KeyConditionExpression": "pending_bucket = :bucket AND due_at <= :now",
        "ExpressionAttributeValues": {":bucket": text(bucket), ":now": text("2026-11-25T12:00:00.000Z")},
        "Limit": 100,
        **rest,
    }
    last = {"LastEvaluatedKey": found[-1]} if more else {}
    dynamodb.add_response("query", {"Items": list(found), **last}, query)


def test_what_is_due_comes_in_the_order_in_which_it_became_due(orders: OrderTable, dynamodb: Stubber) -> None:
    found = {"0": [entry("0", "09:00:00"), entry("0", "11:59:00", 1)], "7": [entry("7", "11:58:00")]}
    for bucket in BUCKETS:
        expect_query(dynamodb, bucket, *found.get(bucket, []))

    assert [each.due_at[11:16] for each in orders.due(NOW)] == ["09:00", "11:58", "11:59"]


def test_the_buckets_that_are_asked_for_are_read(orders: OrderTable, dynamodb: Stubber) -> None:
    expect_query(dynamodb, "3", entry("3", "11:00:00"))

    assert len(list(orders.due(NOW, "3"))) == 1


def test_a_page_of_the_index_is_read_when_it_is_needed(orders: OrderTable, dynamodb: Stubber) -> None:
    first, second = entry("3", "09:00:00"), entry("3", "10:00:00", 1)
    expect_query(dynamodb, "3", first, more=True)
    due = orders.due(NOW, "3")
    assert next(due).order_id == first["order_id"]["S"]
    dynamodb.assert_no_pending_responses()

    expect_query(dynamodb, "3", second, ExclusiveStartKey=first)

    assert [each.order_id for each in due] == [second["order_id"]["S"]]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the table waited between its tries at most; no wait takes place."""
    waits: list[float] = []
    monkeypatch.setattr(random, "uniform", lambda _, longest: longest)
    monkeypatch.setattr(clock, "sleep", waits.append)
    return waits


def test_a_throttled_read_is_repeated_and_its_bucket_goes_on(
    orders: OrderTable, dynamodb: Stubber, waits: list[float]
) -> None:
    for _ in range(5):
        dynamodb.add_client_error("query", "ThrottlingException")
    expect_query(dynamodb, "3", entry("3", "11:00:00"))

    assert len(list(orders.due(NOW, "3"))) == 1
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2]


def due(*stored: Order) -> list[DueOrder]:
    return [DueOrder(to_timestamp(NOW), str(order.order_id)) for order in stored]


def expect_read(dynamodb: Stubber, asked: Sequence[Order], found: Sequence[dict[str, Any]], left: int = 0) -> None:
    """Expect the orders to be asked for, and answer with items, with the last `left` of the keys unprocessed."""
    keys = [{"order_id": text(order.order_id)} for order in asked]
    unprocessed = {"orders": {"Keys": keys[-left:]}} if left else {}
    request = {"RequestItems": {"orders": {"Keys": keys, "ConsistentRead": True}}}
    dynamodb.add_response(
        "batch_get_item", {"Responses": {"orders": list(found)}, "UnprocessedKeys": unprocessed}, request
    )


def test_what_dynamodb_left_unprocessed_is_read_again(
    orders: OrderTable, dynamodb: Stubber, waits: list[float]
) -> None:
    stored = [an_order() for _ in range(3)]
    expect_read(dynamodb, stored, [to_item(stored[0])], left=2)
    expect_read(dynamodb, stored[1:], [to_item(order) for order in stored[1:]])

    assert list(orders.read(due(*stored))) == list(zip(due(*stored), stored, strict=True))
    assert waits == [0.2]


@pytest.mark.parametrize("codes", [[None], ["ConditionalCheckFailed"], ["ThrottlingError", "ThrottlingError", None]])
def test_an_entry_is_moved_on_if_it_has_not_changed(
    orders: OrderTable, dynamodb: Stubber, waits: list[float], codes: list[str | None]
) -> None:
    order = an_order()
    statement = {
        "Statement": 'UPDATE "orders" SET "due_at"=? WHERE "order_id"=? AND "due_at"=?',
        "Parameters": [text("2026-11-25T13:00:00.000Z"), text(order.order_id), text("2026-11-25T12:00:00.000Z")],
    }
    for code in codes:
        response = {"Error": {"Code": code}} if code else {}
        dynamodb.add_response("batch_execute_statement", {"Responses": [response]}, {"Statements": [statement]})

    orders.postpone(due(order)[0], NOW + timedelta(hours=1))

    assert len(waits) == len(codes) - 1


def test_an_entry_that_dynamodb_refuses_to_move_is_an_error(orders: OrderTable, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_execute_statement", {"Responses": [{"Error": {"Code": "ValidationError"}}]})

    with pytest.raises(OutcomeRefused, match="ValidationError"):
        orders.postpone(due(an_order())[0], NOW)


@pytest.mark.usefixtures("waits")
def test_what_dynamodb_never_processes_is_unavailable(orders: OrderTable, dynamodb: Stubber) -> None:
    order = an_order()
    for _ in range(6):
        expect_read(dynamodb, [order], [], left=1)

    with pytest.raises(TableUnavailable, match="UnprocessedKeys"):
        list(orders.read(due(order)))


def test_an_item_that_is_not_an_order_is_told_from_the_others(orders: OrderTable, dynamodb: Stubber) -> None:
    stored = [an_order() for _ in range(3)]
    items = [to_item(order) for order in stored]
    items[1]["created_at"] = text("Ada Lovelace")
    expect_read(dynamodb, stored, items)

    (_, first), (unreadable, error), (_, third) = orders.read(due(*stored))

    assert (first, unreadable, third) == (stored[0], due(stored[1])[0], stored[2])
    assert isinstance(error, UnreadableOrder)
    assert str(error) == "created_at (datetime_from_date_parsing)"


def test_an_order_that_is_gone_is_not_read(orders: OrderTable, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}})

    assert list(orders.read(due(an_order()))) == []


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("TransactionConflictException", 400),
        ("Anything", 500),
    ],
)
@pytest.mark.usefixtures("waits")
def test_a_transient_error_is_unavailable(
    orders: OrderTable, dynamodb: Stubber, operation: str, code: str, status: int
) -> None:
    for _ in range(6 if operation in {"query", "batch_get_item"} else 1):
        dynamodb.add_client_error(operation, code, http_status_code=status)

    with pytest.raises(TableUnavailable, match=f"^{code}$") as raised:
        CALLS[operation](orders)
    assert type(raised.value) is TableUnavailable


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_an_error_of_ours_stays_what_it_is(orders: OrderTable, dynamodb: Stubber, operation: str, code: str) -> None:
    dynamodb.add_client_error(operation, code)

    with pytest.raises(ClientError, match=code):
        CALLS[operation](orders)


def test_parameters_of_ours_that_are_wrong_stay_a_fault() -> None:
    with pytest.raises(ParamValidationError):
        OrderTable("", boto3.client("dynamodb")).get(uuid4())


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="http://127.0.0.1"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1"),
        ReadTimeoutError(endpoint_url="http://127.0.0.1"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_connection_and_no_answer_are_unreachable(
    orders: OrderTable, client: "DynamoDBClient", operation: str, error: Exception
) -> None:
    def fail(**_: object) -> None:
        raise error

    client.meta.events.register("before-send.dynamodb", fail)

    with pytest.raises(TableUnreachable, match=f"^{type(error).__name__}$"):
        CALLS[operation](orders)
