"""The orders table in DynamoDB: its calls, its errors and its attribute names."""

import heapq
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from pydantic import ValidationError

from shared import clock
from shared.order import IdempotencyKeyReused, Order, OrderNotFound, Status, to_timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

# "BatchExecuteStatement", Amazon DynamoDB API Reference: a call takes up to 25 statements, no two for one item.
STATEMENTS_PER_CALL = 25
# "BatchGetItem", same: up to 100 keys.
KEYS_PER_CALL = 100
BUCKETS = "0123456789abcdef"

# Tries of a read that DynamoDB throttles; the waits between them add up to at most 0.2 + 0.4 + 0.8 + 1.6 + 3.2 = 6.2 s.
READ_TRIES = 6
# Two tries of at most 3 s (1 s to connect, 2 s to answer), up to 1 s apart: within the API functions' 10 s.
CALL_SECONDS = 7
CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# Transient errors of a call (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html),
# and of a statement (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html).
_TRANSIENT_ERRORS = {
    "InternalServerError",
    "ProvisionedThroughputExceeded",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingError",
    "ThrottlingException",
    "TransactionConflict",
    "TransactionConflictException",
}
_FIRST_SERVER_ERROR = 500
CONDITION_FAILED = "ConditionalCheckFailed"  # of a statement

# What an outcome changes, besides its attempt_id.
_SETTLED = {"status", "processed_at", "payment_id", "declined_at", "decline_reason"}
_DEFERRED = {"attempts", "due_at"}

_to_attribute = TypeSerializer().serialize
_from_attribute = TypeDeserializer().deserialize


class TableUnavailable(Exception):
    """DynamoDB throttles or fails for the moment; the message is its error code. The same call may succeed later."""


class TableUnreachable(TableUnavailable):
    """DynamoDB cannot be reached or does not answer. Another call now would only wait for the same failure."""


class OutcomeRefused(Exception):
    """DynamoDB refused to record an outcome, and would refuse it again. The message is its error code."""


class UnreadableOrder(ValueError):
    """An item of the table, or its image in the stream, is not a valid order. The message names no values."""


class DueOrder(NamedTuple):
    """An entry of the index `due-orders`. Entries sort by `due_at`, as it is stored."""

    due_at: str
    order_id: str


class OrderTable:
    """The orders, each one item under its order_id.

    `pending_bucket`, the order_id's first hex digit, and `due_at` exist only while an order is PENDING. So the sparse
    index `due-orders` lists what waits for a payment, by the time from which RecoverOrders may take it. Its 16 keys
    spread the writes over its partitions.

    Every method raises TableUnavailable when DynamoDB does not serve the call.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self.name = name
        self._client = client or boto3.client("dynamodb", config=CONFIG)

    def create(self, order: Order) -> Order:
        """Store an order, and return what is stored under its id: this order, or the one that was stored before.

        The condition keeps a call that is repeated from setting a settled order back to PENDING.

        Raises
        ------
        IdempotencyKeyReused
            The order that was stored before has other content.
        """
        try:
            with _translated_errors():
                self._client.put_item(
                    TableName=self.name,
                    Item=to_item(order),
                    ConditionExpression="attribute_not_exists(order_id)",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            stored = to_order(cast("dict[str, Any]", error.response)["Item"])
            if not stored.has_same_content(order):
                raise IdempotencyKeyReused from None
            return stored
        return order

    def get(self, order_id: UUID) -> Order:
        """Read an order, consistently: a client may ask right after it has created one.

        Raises
        ------
        OrderNotFound
        """
        with _translated_errors():
            key = {"order_id": {"S": str(order_id)}}
            answer = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        if "Item" not in answer:
            raise OrderNotFound
        return to_order(answer["Item"])

    def record(self, outcomes: Sequence[Order]) -> list[Order | Exception]:
        """Record the outcomes of attempts to pay, of up to STATEMENTS_PER_CALL different orders, in one call.

        Only an order that is still PENDING changes, and only if no other attempt was recorded since it was read.

        Returns
        -------
        For each outcome, the order as it is stored now: the outcome itself, or what another attempt recorded before. If
        nothing is stored, the reason: TableUnavailable, OutcomeRefused, OrderNotFound or UnreadableOrder.
        """
        with _translated_errors():
            answer = self._client.batch_execute_statement(Statements=[self._update(outcome) for outcome in outcomes])
        responses = zip(outcomes, answer["Responses"], strict=True)
        return [_stored(outcome, response.get("Error")) for outcome, response in responses]

    def _update(self, outcome: Order) -> "BatchStatementRequestTypeDef":
        names = _DEFERRED if outcome.status is Status.PENDING else _SETTLED
        values = outcome.model_dump(mode="json", exclude_none=True, include=names)
        changed = {"attempt_id": outcome.attempt_id, **values}
        changes = "".join(f' SET "{name}"=?' for name in changed)
        condition, conditions = f"\"status\"='{Status.PENDING}'", []
        if outcome.status is not Status.PENDING:
            changes += ' REMOVE "pending_bucket" REMOVE "due_at"'
        elif outcome.attempts == 1:
            condition += ' AND "attempts" IS MISSING'
        else:
            condition += ' AND "attempts"=?'
            conditions = [_to_attribute(outcome.attempts - 1)]
        key = {"S": str(outcome.order_id)}
        return {
            "Statement": f'UPDATE "{self.name}"{changes} WHERE "order_id"=? AND {condition}',
            "Parameters": [*map(_to_attribute, changed.values()), key, *conditions],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def due(self, now: datetime, buckets: Iterable[str] = BUCKETS) -> Iterator[DueOrder]:
        """List the orders whose payment is due by `now`, the longest overdue first.

        The index is read as the list is consumed, so the first order comes after one query a bucket, however many wait.
        """
        due_by = to_timestamp(now)
        return heapq.merge(*(self._due_in(bucket, due_by) for bucket in buckets))

    def _due_in(self, bucket: str, due_by: str) -> Iterator[DueOrder]:
        position: dict[str, Any] = {}
        while True:
            page = _patiently(
                self._client.query,
                TableName=self.name,
                IndexName="due-orders",
                KeyConditionExpression="pending_bucket = :bucket AND due_at <= :now",
                ExpressionAttributeValues={":bucket": {"S": bucket}, ":now": {"S": due_by}},
                Limit=KEYS_PER_CALL,
                **position,
            )
            yield from (DueOrder(item["due_at"]["S"], item["order_id"]["S"]) for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                return
            position = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def read(self, due_orders: Iterable[DueOrder]) -> list[tuple[DueOrder, Order | UnreadableOrder]]:
        """Read up to KEYS_PER_CALL orders, consistently: those that exist, in any order."""
        entries = {entry.order_id: entry for entry in due_orders}
        keys: Any = [{"order_id": {"S": order_id}} for order_id in entries]
        items: list[Any] = []

        def read_keys() -> None:
            nonlocal keys
            answer = self._client.batch_get_item(RequestItems={self.name: {"Keys": keys, "ConsistentRead": True}})
            items.extend(answer["Responses"].get(self.name, []))
            if self.name in answer["UnprocessedKeys"]:
                keys = answer["UnprocessedKeys"][self.name]["Keys"]
                raise TableUnavailable("UnprocessedKeys")

        _patiently(read_keys)
        return [(entries[item["order_id"]["S"]], _readable(item)) for item in items]

    def postpone(self, entry: DueOrder, due_at: datetime) -> None:
        """Move an entry of the index on, so that it does not stay at its head, unless it has changed meanwhile.

        Raises
        ------
        OutcomeRefused
        """
        statement: BatchStatementRequestTypeDef = {
            "Statement": f'UPDATE "{self.name}" SET "due_at"=? WHERE "order_id"=? AND "due_at"=?',  # noqa: S608  # ours
            "Parameters": [{"S": to_timestamp(due_at)}, {"S": entry.order_id}, {"S": entry.due_at}],
        }

        def update() -> None:
            [response] = self._client.batch_execute_statement(Statements=[statement])["Responses"]
            code = response.get("Error", {}).get("Code", CONDITION_FAILED)
            if code != CONDITION_FAILED:
                raise _failure(code)

        _patiently(update)


def _patiently[T](call: Callable[..., T], **arguments: Any) -> T:  # noqa: ANN401  # those of boto3's client
    """Make a call, up to READ_TRIES times if DynamoDB throttles it. It blocks its thread meanwhile."""
    for tries in range(1, READ_TRIES):
        try:
            with _translated_errors():
                return call(**arguments)
        except TableUnreachable:
            raise
        except TableUnavailable:
            clock.sleep(random.uniform(0, 0.1 * 2**tries))  # noqa: S311  # no secret
    with _translated_errors():
        return call(**arguments)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise TableUnavailable for transient errors. Others are errors in the service: leave them."""
    try:
        yield
    except (NoConnection, HTTPClientError) as error:  # the latter: no answer in time, or not a whole one
        raise TableUnreachable(type(error).__name__) from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _TRANSIENT_ERRORS or status >= _FIRST_SERVER_ERROR:
            raise TableUnavailable(code) from error
        raise


def _stored(outcome: Order, error: Mapping[str, Any] | None) -> Order | Exception:
    if error is None:
        return outcome
    if error["Code"] != CONDITION_FAILED:
        return _failure(error["Code"])
    return _readable(error["Item"]) if "Item" in error else OrderNotFound()


def _failure(code: str) -> TableUnavailable | OutcomeRefused:
    return TableUnavailable(code) if code in _TRANSIENT_ERRORS else OutcomeRefused(code)


def _readable(item: Mapping[str, Any]) -> Order | UnreadableOrder:
    try:
        return to_order(item)
    except UnreadableOrder as error:
        return error


def to_order(item: Mapping[str, Any]) -> Order:
    """Read an item of the table, or an image of it in the stream. Money is stored as text: exact, as the API shows it.

    Raises
    ------
    UnreadableOrder
    """
    try:
        return Order.model_validate({name: _from_attribute(value) for name, value in item.items()})
    except ValidationError as error:
        reason = ", ".join(f"{'.'.join(map(str, each['loc']))} ({each['type']})" for each in error.errors())
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:  # not DynamoDB's JSON
        reason = type(error).__name__
    # Not above: a pydantic error refers to the frames that it was raised through, which the garbage collector does not
    # see. Powertools' batch processor keeps the errors of its last batch, and would keep the whole event with them.
    raise UnreadableOrder(reason)


def to_item(order: Order) -> dict[str, Any]:
    """Write an order as an item of the table."""
    document = order.model_dump(mode="json", exclude_none=True)
    document |= {name: value for name in ("attempt_id", "trace_header") if (value := getattr(order, name))}
    if order.status is Status.PENDING:
        document["pending_bucket"] = str(order.order_id)[0]
    return {name: _to_attribute(value) for name, value in document.items()}
