"""What the orders table makes of DynamoDB's failures."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)

from shared.order_table import DueOrder, OrderTable, OutcomeRefused, TableUnavailable, TableUnreachable
from simulation.aws.memory_dynamodb import Answer, refusal
from tests.builders import FailingDynamoDB, an_order
from tests.unit.shared.test_order_table import entry

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
# Before the second to the sixth try.
READ_WAITS = [(0, 0.2), (0, 0.4), (0, 0.8), (0, 1.6), (0, 3.2)]

CALLS: dict[str, Callable[[OrderTable], object]] = {
    "put_item": lambda table: table.create(an_order()),
    "get_item": lambda table: table.get(uuid4()),
    "batch_execute_statement": lambda table: table.record([an_order().processed("payment-1")]),
    "query": lambda table: list(table.due(NOW, "0")),
    "batch_get_item": lambda table: table.read([entry(an_order())]),
}
ERRORS = [
    (refusal("ThrottlingException", "GetItem"), TableUnavailable("ThrottlingException")),
    (
        refusal("ProvisionedThroughputExceededException", "GetItem"),
        TableUnavailable("ProvisionedThroughputExceededException"),
    ),
    (refusal("TransactionConflictException", "GetItem"), TableUnavailable("TransactionConflictException")),
    (refusal("Anything", "GetItem", status=500), TableUnavailable("Anything")),
    (ConnectTimeoutError(endpoint_url=""), TableUnreachable("ConnectTimeoutError")),
    (EndpointConnectionError(endpoint_url=""), TableUnreachable("EndpointConnectionError")),
    (ReadTimeoutError(endpoint_url=""), TableUnreachable("ReadTimeoutError")),
    (refusal("AccessDeniedException", "GetItem"), None),
    (ParamValidationError(report="wrong"), None),
]


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize(("error", "failure"), ERRORS, ids=lambda each: type(each).__name__)
def test_a_transient_error_is_unavailable_and_one_of_ours_stays_what_it_is(
    table: OrderTable, dynamodb: FailingDynamoDB, operation: str, error: Exception, failure: Exception | None
) -> None:
    is_repeated = operation in {"query", "batch_get_item"} and type(failure) is TableUnavailable

    with patch.object(dynamodb, operation, side_effect=error) as call, pytest.raises(Exception) as raised:  # noqa: PT011
        CALLS[operation](table)

    assert (type(raised.value), str(raised.value)) == (type(failure or error), str(failure or error))
    assert call.call_count == (6 if is_repeated else 1)


@pytest.mark.parametrize(
    ("failure", "codes"),
    [
        (TableUnavailable, "InternalServerError ProvisionedThroughputExceeded RequestLimitExceeded"),
        (TableUnavailable, "ThrottlingError TransactionConflict"),
        (OutcomeRefused, "AccessDenied DuplicateItem ItemCollectionSizeLimitExceeded ValidationError"),
    ],
)
def test_a_statement_that_fails_is_refused_unless_it_may_succeed_later(
    table: OrderTable, dynamodb: FailingDynamoDB, failure: type[Exception], codes: str
) -> None:
    for code in codes.split():
        outcome = an_order().processed("payment-1")
        dynamodb.errors[outcome.order_id] = [code]

        [result] = table.record([outcome])

        assert (type(result), str(result)) == (failure, code)


def test_a_throttled_read_is_repeated_and_its_bucket_goes_on(
    table: OrderTable, dynamodb: FailingDynamoDB, waits: list[tuple[float, float]]
) -> None:
    page: Answer = {"Items": [{"due_at": {"S": "2026-11-25"}, "order_id": {"S": "1"}}]}
    answers = [refusal("ThrottlingException", "Query")] * 5 + [page]

    with patch.object(dynamodb, "query", side_effect=answers):
        assert list(table.due(NOW, "3")) == [DueOrder("2026-11-25", "1")]
    assert waits == READ_WAITS


@pytest.fixture
def unprocessed(dynamodb: FailingDynamoDB, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many of the keys DynamoDB leaves unprocessed in each further read."""
    unprocessed: list[int] = []
    read = dynamodb.batch_get_item

    def read_some(*, RequestItems: Mapping[str, Any]) -> Answer:  # noqa: N803  # AWS's name
        request = RequestItems["orders"]
        assert request["ConsistentRead"]
        taken = len(request["Keys"]) - unprocessed.pop()
        left = {"orders": {"Keys": request["Keys"][taken:]}} if request["Keys"][taken:] else {}
        found = read(RequestItems={"orders": {"Keys": request["Keys"][:taken]}}) if taken else {"Responses": {}}
        return found | {"UnprocessedKeys": left}

    monkeypatch.setattr(dynamodb, "batch_get_item", read_some)
    return unprocessed


def test_what_dynamodb_left_unprocessed_is_read_again(
    table: OrderTable, unprocessed: list[int], waits: list[tuple[float, float]]
) -> None:
    orders = [table.create(an_order()) for _ in range(3)]
    unprocessed += [0, 2]

    assert table.read(map(entry, orders)) == [(entry(order), order) for order in orders]
    assert waits == READ_WAITS[:1]


def test_what_dynamodb_never_processes_is_unavailable(table: OrderTable, unprocessed: list[int]) -> None:
    unprocessed += [1] * 6

    with pytest.raises(TableUnavailable, match="UnprocessedKeys"):
        table.read([entry(an_order())])
    assert unprocessed == []


def test_an_order_is_read_consistently(table: OrderTable, dynamodb: FailingDynamoDB) -> None:
    order = table.create(an_order())

    with patch.object(dynamodb, "get_item", wraps=dynamodb.get_item) as get_item:
        assert table.get(order.order_id) == order
    assert get_item.call_args.kwargs["ConsistentRead"]


def test_an_entry_that_dynamodb_throttles_is_moved_on_by_a_later_try(
    table: OrderTable, dynamodb: FailingDynamoDB, waits: list[tuple[float, float]]
) -> None:
    order = table.create(an_order())
    dynamodb.errors[order.order_id] = ["ThrottlingError"] * 2

    table.postpone(entry(order), NOW)

    assert table.get(order.order_id).due_at == NOW
    assert waits == READ_WAITS[:2]


def test_an_entry_that_dynamodb_refuses_to_move_is_an_error(table: OrderTable, dynamodb: FailingDynamoDB) -> None:
    order = an_order()
    dynamodb.errors[order.order_id] = ["ValidationError"]

    with pytest.raises(OutcomeRefused, match="ValidationError"):
        table.postpone(entry(order), NOW)
