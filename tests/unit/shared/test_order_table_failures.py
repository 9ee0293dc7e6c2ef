"""What the orders table makes of DynamoDB's failures, which botocore's Stubber answers with."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
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

from shared.order import Order, to_timestamp
from shared.order_table import DueOrder, OrderTable, OutcomeRefused, TableUnavailable, TableUnreachable, to_item
from tests.builders import an_order

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ENDPOINT = "http://127.0.0.1"
# Before the second to the sixth try.
READ_WAITS = [(0, 0.2), (0, 0.4), (0, 0.8), (0, 1.6), (0, 3.2)]

CALLS: dict[str, Callable[[OrderTable], object]] = {
    "put_item": lambda table: table.create(an_order()),
    "get_item": lambda table: table.get(uuid4()),
    "batch_execute_statement": lambda table: table.record([an_order().processed("payment-1")]),
    "query": lambda table: list(table.due(NOW, "0")),
    "batch_get_item": lambda table: table.read([entry(an_order())]),
}


@pytest.fixture(scope="module")
def client() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=Config(retries={"total_max_attempts": 1}))


@pytest.fixture
def answers(client: "DynamoDBClient") -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def entry(order: Order) -> DueOrder:
    return DueOrder(to_timestamp(NOW), str(order.order_id))


def answer_statement(answers: Stubber, code: str | None) -> None:
    """Answer a call of one statement."""
    response = {"Error": {"Code": code}} if code else {}
    answers.add_response("batch_execute_statement", {"Responses": [response]})


@pytest.mark.parametrize(
    ("failure", "codes"),
    [
        (TableUnavailable, "InternalServerError ProvisionedThroughputExceeded RequestLimitExceeded"),
        (TableUnavailable, "ThrottlingError TransactionConflict"),
        (OutcomeRefused, "AccessDenied DuplicateItem ItemCollectionSizeLimitExceeded ValidationError"),
    ],
)
def test_a_statement_that_fails_is_refused_unless_it_may_succeed_later(
    table: OrderTable, answers: Stubber, failure: type[Exception], codes: str
) -> None:
    for code in codes.split():
        answer_statement(answers, code)

        [result] = table.record([an_order().processed("payment-1")])

        assert (type(result), str(result)) == (failure, code)


def test_a_throttled_read_is_repeated_and_its_bucket_goes_on(
    table: OrderTable, answers: Stubber, waits: list[tuple[float, float]]
) -> None:
    for _ in READ_WAITS:
        answers.add_client_error("query", "ThrottlingException")
    due = {name: to_item(an_order())[name] for name in ("pending_bucket", "due_at", "order_id")}
    answers.add_response("query", {"Items": [due]})

    assert len(list(table.due(NOW, "3"))) == 1
    assert waits == READ_WAITS


def answer_read(answers: Stubber, asked: list[Order], found: list[Order]) -> None:
    """Expect a read of orders, and answer with some of them; leave the others unprocessed."""
    keys = [{"order_id": {"S": str(order.order_id)}} for order in asked]
    left: dict[str, Any] = {"orders": {"Keys": keys[len(found) :]}} if len(found) < len(asked) else {}
    response = {"Responses": {"orders": [to_item(order) for order in found]}, "UnprocessedKeys": left}
    answers.add_response(
        "batch_get_item", response, {"RequestItems": {"orders": {"Keys": keys, "ConsistentRead": True}}}
    )


def test_what_dynamodb_left_unprocessed_is_read_again(
    table: OrderTable, answers: Stubber, waits: list[tuple[float, float]]
) -> None:
    orders = [an_order() for _ in range(3)]
    answer_read(answers, orders, orders[:1])
    answer_read(answers, orders[1:], orders[1:])

    assert table.read(map(entry, orders)) == [(entry(order), order) for order in orders]
    assert waits == READ_WAITS[:1]


def test_what_dynamodb_never_processes_is_unavailable(table: OrderTable, answers: Stubber) -> None:
    order = an_order()
    for _ in range(len(READ_WAITS) + 1):
        answer_read(answers, [order], [])

    with pytest.raises(TableUnavailable, match="UnprocessedKeys"):
        table.read([entry(order)])


def test_an_order_is_read_consistently(table: OrderTable, answers: Stubber) -> None:
    order = an_order()
    get = {"TableName": "orders", "Key": {"order_id": {"S": str(order.order_id)}}, "ConsistentRead": True}
    answers.add_response("get_item", {"Item": to_item(order)}, get)

    assert table.get(order.order_id) == order


def test_an_entry_that_dynamodb_throttles_is_moved_on_by_a_later_try(
    table: OrderTable, answers: Stubber, waits: list[tuple[float, float]]
) -> None:
    for code in ("ThrottlingError", "ThrottlingError", None):
        answer_statement(answers, code)

    table.postpone(entry(an_order()), NOW)

    assert waits == READ_WAITS[:2]


def test_an_entry_that_dynamodb_refuses_to_move_is_an_error(table: OrderTable, answers: Stubber) -> None:
    answer_statement(answers, "ValidationError")

    with pytest.raises(OutcomeRefused, match="ValidationError"):
        table.postpone(entry(an_order()), NOW)


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
def test_a_transient_error_is_unavailable(
    table: OrderTable, answers: Stubber, operation: str, code: str, status: int
) -> None:
    for _ in range(len(READ_WAITS) + 1 if operation in {"query", "batch_get_item"} else 1):
        answers.add_client_error(operation, code, http_status_code=status)

    with pytest.raises(TableUnavailable, match=f"^{code}$") as raised:
        CALLS[operation](table)
    assert type(raised.value) is TableUnavailable


@pytest.mark.parametrize("operation", CALLS)
def test_an_error_of_ours_stays_what_it_is(table: OrderTable, answers: Stubber, operation: str) -> None:
    answers.add_client_error(operation, "AccessDeniedException")

    with pytest.raises(ClientError, match="AccessDeniedException"):
        CALLS[operation](table)


def test_parameters_of_ours_that_are_wrong_stay_a_fault(client: "DynamoDBClient") -> None:
    with pytest.raises(ParamValidationError):
        OrderTable("", client).get(uuid4())


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("error", [ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError])
def test_no_connection_and_no_answer_are_unreachable(
    table: OrderTable, client: "DynamoDBClient", operation: str, error: type[Exception]
) -> None:
    def fail(**_: object) -> None:
        raise error(endpoint_url=ENDPOINT)  # type: ignore[call-arg]  # as all three are made

    client.meta.events.register("before-send.dynamodb", fail, unique_id="fail")

    with pytest.raises(TableUnreachable, match=f"^{error.__name__}$"):
        CALLS[operation](table)
    client.meta.events.unregister("before-send.dynamodb", unique_id="fail")
