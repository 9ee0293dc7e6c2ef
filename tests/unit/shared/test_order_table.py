"""The orders table's calls to DynamoDB, which botocore's Stubber checks and answers."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

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

from shared.order import Order, OrderNotFound
from shared.order_table import (
    BUCKETS,
    OrderTable,
    OutcomeRefused,
    TableUnavailable,
    TableUnreachable,
    UnreadableOrder,
    to_item,
)
from tests.builders import an_order
from tests.unit.conftest import log_lines

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
GRACE = timedelta(minutes=5)
STILL_PENDING = '"order_id"=? AND "status"=\'PENDING\''

CALLS: dict[str, Callable[[OrderTable], object]] = {
    "put_item": lambda orders: orders.create(an_order()),
    "get_item": lambda orders: orders.get(uuid4()),
    "batch_execute_statement": lambda orders: orders.record([an_order().processed("payment-1")]),
    "query": lambda orders: orders.due(NOW, GRACE, 10),
    "batch_get_item": lambda orders: list(orders.read([uuid4()])),
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


def at(time: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-25T{time}+00:00")


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


def expect_queries(
    dynamodb: Stubber,
    found: Sequence[tuple[UUID, datetime, datetime | None]],
    *,
    due_by: str | None = None,
    **rest: int,
) -> None:
    """Expect a query of each bucket of the index, and answer it with the orders found in it."""
    filters = {"FilterExpression": "attribute_not_exists(due_at) OR due_at <= :due_by"} if due_by else {}
    for bucket in BUCKETS:
        query = {
            "TableName": "orders",
            "IndexName": "pending-orders",
            "KeyConditionExpression": "pending_bucket = :bucket",
            "ExpressionAttributeValues": {":bucket": text(bucket), **({":due_by": text(due_by)} if due_by else {})},
            **filters,
            **rest,
        }
        keys = [key(*order) for order in found if str(order[0])[0] == bucket]
        dynamodb.add_response("query", {"Items": keys}, query)


def key(order_id: UUID, created_at: datetime, due_at: datetime | None) -> dict[str, dict[str, str]]:
    order = an_order().model_copy(update={"order_id": order_id, "created_at": created_at, "due_at": due_at})
    item = to_item(order)
    return {name: item[name] for name in ("pending_bucket", "order_id", "created_at", "due_at") if name in item}


def test_the_orders_that_are_due_come_in_the_order_in_which_they_became_due(
    orders: OrderTable, dynamodb: Stubber
) -> None:
    never_attempted, deferred, just_due, too_young = (UUID(f"{bucket}{uuid4().hex[1:]}") for bucket in "0f07")
    found = [
        (just_due, NOW - GRACE, None),
        (too_young, NOW - GRACE + timedelta(milliseconds=1), None),
        (never_attempted, at("11:53:00"), None),  # due since 11:58
        (deferred, at("09:00:00"), at("11:59:00")),
    ]
    expect_queries(dynamodb, found, due_by="2026-11-25T12:00:00.000Z")

    assert orders.due(NOW, GRACE, limit=10) == [never_attempted, deferred, just_due]


def test_no_more_orders_are_due_than_asked_for(orders: OrderTable, dynamodb: Stubber) -> None:
    found = [(uuid4(), at("09:00:00"), at(f"11:0{minute}:00")) for minute in (3, 1, 2)]
    expect_queries(dynamodb, found, due_by="2026-11-25T12:00:00.000Z")

    assert orders.due(NOW, GRACE, limit=2) == [found[1][0], found[2][0]]


def test_every_page_of_the_index_is_read(orders: OrderTable, dynamodb: Stubber) -> None:
    first, second = (UUID(f"0{uuid4().hex[1:]}") for _ in range(2))
    page = {"Items": [key(first, at("09:00:00"), None)], "LastEvaluatedKey": {"order_id": text(first)}}
    dynamodb.add_response("query", page)
    dynamodb.add_response("query", {"Items": [key(second, at("10:00:00"), None)]})
    for _ in BUCKETS[1:]:
        dynamodb.add_response("query", {"Items": []})

    assert orders.due(NOW, GRACE, limit=10) == [first, second]


def test_the_oldest_pending_order_is_the_oldest_of_all_buckets(orders: OrderTable, dynamodb: Stubber) -> None:
    found = [(UUID(f"{bucket}{uuid4().hex[1:]}"), at(f"10:0{bucket}:00"), None) for bucket in "312"]
    expect_queries(dynamodb, found, Limit=1)

    assert orders.oldest_pending() == at("10:01:00")


def test_of_each_bucket_only_the_oldest_order_is_read(orders: OrderTable, dynamodb: Stubber) -> None:
    for bucket in BUCKETS:
        order_id = UUID(f"{bucket}{uuid4().hex[1:]}")
        page = {"Items": [key(order_id, at("10:00:00"), None)], "LastEvaluatedKey": {"order_id": text(order_id)}}
        dynamodb.add_response("query", page)

    assert orders.oldest_pending() == at("10:00:00")


def test_no_order_is_the_oldest_when_none_is_pending(orders: OrderTable, dynamodb: Stubber) -> None:
    expect_queries(dynamodb, [], Limit=1)

    assert orders.oldest_pending() is None


def expect_read(dynamodb: Stubber, asked: Sequence[Order], found: Sequence[dict[str, Any]], left: int = 0) -> None:
    """Expect the orders to be asked for, and answer with items, with the last `left` of the keys unprocessed."""
    keys = [{"order_id": text(order.order_id)} for order in asked]
    unprocessed = {"orders": {"Keys": keys[-left:]}} if left else {}
    request = {"RequestItems": {"orders": {"Keys": keys, "ConsistentRead": True}}}
    dynamodb.add_response(
        "batch_get_item", {"Responses": {"orders": list(found)}, "UnprocessedKeys": unprocessed}, request
    )


def test_orders_are_read_consistently_a_hundred_to_a_call(orders: OrderTable, dynamodb: Stubber) -> None:
    stored = [an_order() for _ in range(101)]
    expect_read(dynamodb, stored[:100], [to_item(order) for order in stored[:100]])
    expect_read(dynamodb, stored[100:], [to_item(order) for order in stored[100:]])

    assert list(orders.read([order.order_id for order in stored])) == stored


def test_what_dynamodb_left_unprocessed_is_read_again(orders: OrderTable, dynamodb: Stubber) -> None:
    stored = [an_order() for _ in range(101)]
    expect_read(dynamodb, stored[:100], [to_item(order) for order in stored[:98]], left=2)
    expect_read(dynamodb, [stored[100], *stored[98:100]], [to_item(order) for order in stored[98:]])

    assert list(orders.read([order.order_id for order in stored])) == stored


def test_an_item_that_is_not_an_order_is_logged_and_left_out(
    orders: OrderTable, dynamodb: Stubber, log: StringIO
) -> None:
    stored = [an_order() for _ in range(3)]
    items = [to_item(order) for order in stored]
    items[1]["created_at"] = text("Ada Lovelace")
    expect_read(dynamodb, stored, items)

    assert list(orders.read([order.order_id for order in stored])) == [stored[0], stored[2]]
    [line] = log_lines(log)
    assert (line["level"], line["message"]) == ("ERROR", "The item is not a valid order")
    assert line["order_id"] == str(stored[1].order_id)
    assert line["reason"] == "created_at (datetime_from_date_parsing)"


def test_an_order_that_is_gone_is_not_read(orders: OrderTable, dynamodb: Stubber) -> None:
    dynamodb.add_response("batch_get_item", {"Responses": {}, "UnprocessedKeys": {}})

    assert list(orders.read([uuid4()])) == []


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
def test_what_passes_by_itself_is_unavailable(
    orders: OrderTable, dynamodb: Stubber, operation: str, code: str, status: int
) -> None:
    dynamodb.add_client_error(operation, code, http_status_code=status)

    with pytest.raises(TableUnavailable, match=f"^{code}$") as raised:
        CALLS[operation](orders)
    assert type(raised.value) is TableUnavailable


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("code", ["AccessDeniedException", "ResourceNotFoundException", "ValidationException"])
def test_a_fault_of_ours_stays_what_it_is(orders: OrderTable, dynamodb: Stubber, operation: str, code: str) -> None:
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


def test_elsewhere_nothing_is_sent_before_it_is_needed(client: "DynamoDBClient") -> None:
    client.meta.events.register("before-call.dynamodb", lambda **_: pytest.fail("a call"))

    OrderTable("orders", client)


@pytest.fixture(params=["on-demand", "provisioned-concurrency"])
def _in_lambda(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", request.param)


@pytest.mark.usefixtures("_in_lambda")
def test_in_lambda_the_connection_is_opened_at_once(client: "DynamoDBClient", dynamodb: Stubber, log: StringIO) -> None:
    dynamodb.add_response("describe_endpoints", {"Endpoints": []})

    OrderTable("orders", client)

    assert log.getvalue() == ""


@pytest.mark.usefixtures("_in_lambda")
def test_any_answer_opens_the_connection(client: "DynamoDBClient", dynamodb: Stubber, log: StringIO) -> None:
    dynamodb.add_client_error("describe_endpoints", "UnknownOperationException")

    OrderTable("orders", client)

    assert log.getvalue() == ""


@pytest.mark.usefixtures("_in_lambda")
def test_a_dynamodb_that_fails_does_not_keep_a_function_from_starting(
    client: "DynamoDBClient", dynamodb: Stubber, log: StringIO
) -> None:
    dynamodb.add_client_error("describe_endpoints", "InternalServerError")

    OrderTable("orders", client)

    [line] = log_lines(log)
    assert (line["level"], line["reason"]) == ("WARNING", "InternalServerError")
    assert line["message"] == "DynamoDB did not answer while the function started"
