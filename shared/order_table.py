"""The orders table in DynamoDB: its calls, its errors and its attribute names."""

import heapq
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from pydantic import ValidationError

from shared import tracing
from shared.observability import logger
from shared.order import Order, OrderNotFound, Status, to_timestamp

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

# "BatchExecuteStatement", Amazon DynamoDB API Reference: a call takes up to 25 statements, no two for one item.
STATEMENTS_PER_CALL = 25
# "BatchGetItem", same: up to 100 keys.
KEYS_PER_CALL = 100
BUCKETS = "0123456789abcdef"

# Two tries of at most 3 s (1 s to connect, 2 s to answer), up to 1 s apart: within the API functions' 10 s.
CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

# Errors that pass by themselves, of a call ("Error handling with DynamoDB") and of a statement ("BatchStatementError").
_PASSING_ERRORS = {
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


class OrderTable:
    """The orders, each one item under its order_id.

    `pending_bucket`, the order_id's first hex digit, exists only while an order is PENDING. So the sparse index
    `pending-orders` lists the orders that wait for their payment. Its 16 keys spread the writes over its partitions.

    Every method raises TableUnavailable when DynamoDB does not serve the call.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self.name = name
        self._client = client or boto3.client("dynamodb", config=CONFIG)
        # "Working with Lambda environment variables": not when SnapStart takes its snapshot, which keeps no connection.
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") in {"on-demand", "provisioned-concurrency"}:
            self._connect()

    def _connect(self) -> None:
        """Open the connection while Lambda starts the function: the first request then does not wait for TLS."""
        try:
            # The cheapest call: no table, no capacity. An error is fine, too: DynamoDB Local lacks this operation.
            with tracing.paused(), suppress(ClientError), _translated_errors():
                self._client.describe_endpoints()
        except TableUnavailable as error:
            logger.warning("DynamoDB did not answer while the function started", reason=str(error))

    def create(self, order: Order) -> Order:
        """Store an order, and return what is stored under its id: this order, or the one that was stored before.

        The condition keeps a call that is repeated from setting a settled order back to PENDING.
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
            return to_order(cast("dict[str, Any]", error.response)["Item"])
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
        changed = {name: _to_attribute(value) for name, value in outcome.outcome().items()}
        changes = "".join(f' SET "{name}"=?' for name in changed)
        condition, parameters = f"\"status\"='{Status.PENDING}'", []
        if outcome.status is not Status.PENDING:
            changes += ' REMOVE "pending_bucket" REMOVE "due_at"'
        elif outcome.attempts == 1:
            condition += ' AND "attempts" IS MISSING'
        else:
            condition += ' AND "attempts"=?'
            parameters = [_to_attribute(outcome.attempts - 1)]
        return {
            "Statement": f'UPDATE "{self.name}"{changes} WHERE "order_id"=? AND {condition}',
            "Parameters": [*changed.values(), {"S": str(outcome.order_id)}, *parameters],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def oldest_pending(self) -> datetime | None:
        """Return when the oldest order that is still PENDING was created; None if there is none."""
        return min((datetime.fromisoformat(key["created_at"]) for key in self._pending(limit=1)), default=None)

    def due(self, now: datetime, grace: timedelta, limit: int) -> list[UUID]:
        """List the PENDING orders whose payment is due, the longest overdue first.

        An order that was never attempted is due `grace` after its creation, any other at its `due_at`.
        """
        never_attempted_before = to_timestamp(now - grace)
        due_orders: list[tuple[str, str]] = []
        for key in self._pending(due_by=to_timestamp(now)):
            if "due_at" in key:
                due_orders.append((key["due_at"], key["order_id"]))
            elif key["created_at"] <= never_attempted_before:
                due_orders.append((to_timestamp(datetime.fromisoformat(key["created_at"]) + grace), key["order_id"]))
        return [UUID(order_id) for _, order_id in heapq.nsmallest(limit, due_orders)]

    def _pending(self, *, limit: int | None = None, due_by: str | None = None) -> Iterator[dict[str, str]]:
        """Read the index: the oldest `limit` of each bucket, or those that are due by then or were never attempted."""
        filters: dict[str, Any] = {}
        values = {} if due_by is None else {":due_by": {"S": due_by}}
        if due_by is not None:
            filters = {"FilterExpression": "attribute_not_exists(due_at) OR due_at <= :due_by"}
        for bucket in BUCKETS:
            pages = self._client.get_paginator("query").paginate(
                TableName=self.name,
                IndexName="pending-orders",
                KeyConditionExpression="pending_bucket = :bucket",
                ExpressionAttributeValues={":bucket": {"S": bucket}, **values},
                PaginationConfig={} if limit is None else {"MaxItems": limit, "PageSize": limit},
                **filters,
            )
            with _translated_errors():
                for page in pages:
                    yield from ({name: value["S"] for name, value in item.items()} for item in page["Items"])

    def read(self, order_ids: Sequence[UUID]) -> Iterator[Order]:
        """Read orders, consistently. An item that is not a valid order is logged and left out."""
        keys: list[Any] = [{"order_id": {"S": str(order_id)}} for order_id in order_ids]
        while keys:
            now, keys = keys[:KEYS_PER_CALL], keys[KEYS_PER_CALL:]
            with _translated_errors():
                answer = self._client.batch_get_item(RequestItems={self.name: {"Keys": now, "ConsistentRead": True}})
            for item in answer["Responses"].get(self.name, []):
                try:
                    yield to_order(item)
                except UnreadableOrder as error:
                    order_id = item["order_id"]["S"]
                    logger.error("The item is not a valid order", extra={"order_id": order_id, "reason": str(error)})
            if self.name in answer["UnprocessedKeys"]:
                keys += answer["UnprocessedKeys"][self.name]["Keys"]


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Raise TableUnavailable for errors that pass by themselves. Others are faults in the service: leave them."""
    try:
        yield
    except (NoConnection, HTTPClientError) as error:  # the latter: no answer in time, or not a whole one
        raise TableUnreachable(type(error).__name__) from error
    except ClientError as error:
        code = error.response["Error"]["Code"]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in _PASSING_ERRORS or status >= _FIRST_SERVER_ERROR:
            raise TableUnavailable(code) from error
        raise


def _stored(outcome: Order, error: Mapping[str, Any] | None) -> Order | Exception:
    if error is None:
        return outcome
    if error["Code"] != "ConditionalCheckFailed":
        return TableUnavailable(error["Code"]) if error["Code"] in _PASSING_ERRORS else OutcomeRefused(error["Code"])
    if "Item" not in error:
        return OrderNotFound()
    try:
        return to_order(error["Item"])
    except UnreadableOrder as unreadable:
        return unreadable


def to_order(item: Mapping[str, Any]) -> Order:
    """Read an item of the table, or an image of it in the stream. Money is stored as text: exact, as the API shows it.

    Raises
    ------
    UnreadableOrder
    """
    try:
        return Order.model_validate({name: _from_attribute(value) for name, value in item.items()})
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))} ({fault['type']})" for fault in error.errors())
        raise UnreadableOrder(", ".join(faults)) from error
    except (ArithmeticError, AttributeError, TypeError, ValueError) as error:  # not DynamoDB's JSON
        raise UnreadableOrder(type(error).__name__) from error


def to_item(order: Order) -> dict[str, Any]:
    """Write an order as an item of the table."""
    document = order.model_dump(mode="json", exclude_none=True)
    document |= {name: value for name in ("attempt_id", "trace_header") if (value := getattr(order, name))}
    if order.status is Status.PENDING:
        document["pending_bucket"] = str(order.order_id)[0]
    return {name: _to_attribute(value) for name, value in document.items()}
