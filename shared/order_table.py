"""The orders table: the only code that knows DynamoDB and the names of its attributes."""

import heapq
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from shared.observability import logger
from shared.order import Order, OrderNotFound, Status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

# "BatchExecuteStatement", Amazon DynamoDB API Reference: a call takes up to 25 statements, no two for one item.
STATEMENTS_PER_CALL = 25
# "BatchGetItem": up to 100 keys.
KEYS_PER_CALL = 100
BUCKETS = "0123456789abcdef"

# Two tries of at most 3 s each stay within the API functions' 10 s.
_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})

_to_attribute = TypeSerializer().serialize
_from_attribute = TypeDeserializer().deserialize


class OrderNotSettled(Exception):
    """DynamoDB did not take the outcome of an order; the message is its code. It may be tried again."""


class UnreadableOrder(Exception):
    """An item of the table, or its image in the stream, is no order; the message is the kind of fault, not its data."""


class OrderTable:
    """The orders, each one item under its order_id.

    `pending_bucket`, the order_id's first hex digit, exists only while an order is PENDING: the sparse index
    `pending-orders` lists what still waits, spread over 16 keys so that no index partition runs hot.
    """

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self.name = name
        self._client = client or boto3.client("dynamodb", config=_CONFIG)
        if "LAMBDA_TASK_ROOT" in os.environ:
            self._connect()

    def _connect(self) -> None:
        """Open the connection while Lambda starts the function, so that the first request does not wait for TLS.

        DynamoDB answers an unsigned GET as a health check. botocore has no public way to it.
        """
        request = AWSRequest("GET", self._client.meta.endpoint_url).prepare()
        try:
            session = self._client._endpoint.http_session  # type: ignore[attr-defined]  # noqa: SLF001  # see above
            session.send(request)
        except BotoCoreError as error:
            logger.warning("DynamoDB did not answer", extra={"reason": str(error)})

    def add(self, order: Order) -> Order:
        """Store a new order, and return the order that is stored under its id.

        The condition keeps a retried call, whose first answer got lost, from setting a settled order back to PENDING.
        """
        try:
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
        """Read an order, as last written: a client asks right after it has created one.

        Raises
        ------
        OrderNotFound
        """
        answer = self._client.get_item(TableName=self.name, Key={"order_id": {"S": str(order_id)}}, ConsistentRead=True)
        if "Item" not in answer:
            raise OrderNotFound
        return to_order(answer["Item"])

    def pending(self) -> Iterator[Order]:
        """List the orders that wait for their payment, the oldest first, reading on as they are asked for."""
        order_ids = (order_id for _, order_id in heapq.merge(*map(self._waiting, BUCKETS)))
        for some in batched(order_ids, KEYS_PER_CALL, strict=False):
            # The index follows the table with a delay: what it lists may be settled by now.
            waiting = [order for order in self._read(some) if order.status is Status.PENDING]
            yield from sorted(waiting, key=lambda order: order.created_at)

    def _waiting(self, bucket: str) -> Iterator[tuple[str, str]]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self.name,
            IndexName="pending-orders",
            KeyConditionExpression="pending_bucket = :bucket",
            ExpressionAttributeValues={":bucket": {"S": bucket}},
            PaginationConfig={"PageSize": KEYS_PER_CALL},
        )
        for page in pages:
            yield from ((item["created_at"]["S"], item["order_id"]["S"]) for item in page["Items"])

    def _read(self, order_ids: Sequence[str]) -> Iterator[Order]:
        keys: Sequence[Any] = [{"order_id": {"S": order_id}} for order_id in order_ids]
        while keys:
            answer = self._client.batch_get_item(RequestItems={self.name: {"Keys": keys, "ConsistentRead": True}})
            for item in answer["Responses"].get(self.name, []):
                try:
                    yield to_order(item)
                except UnreadableOrder as error:
                    logger.error("Item is no order", extra={"order_id": item["order_id"]["S"], "reason": str(error)})
            unprocessed = answer["UnprocessedKeys"].get(self.name)
            keys = unprocessed["Keys"] if unprocessed else []

    def settle(self, orders: Sequence[Order]) -> list[bool | Exception]:
        """Record the outcome of up to STATEMENTS_PER_CALL different orders that are PENDING, in one call.

        Returns
        -------
        For each order, in their order: whether this recorded its outcome, or else it was settled before and stays as it
        is (the stream delivers at least once); or why nothing is recorded (OrderNotFound, OrderNotSettled).
        """
        answer = self._client.batch_execute_statement(Statements=[self._settle_statement(order) for order in orders])
        return [_result(response.get("Error")) for response in answer["Responses"]]

    def _settle_statement(self, order: Order) -> "BatchStatementRequestTypeDef":
        outcome = {name: _to_attribute(value) for name, value in order.outcome().items()}
        assignments = " ".join(f'SET "{name}"=?' for name in outcome)
        return {
            "Statement": f'UPDATE "{self.name}" {assignments} REMOVE "pending_bucket"'
            f' WHERE "order_id"=? AND "status"=\'PENDING\'',
            "Parameters": [*outcome.values(), {"S": str(order.order_id)}],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }


def to_order(item: Mapping[str, Any]) -> Order:
    """Read an item of the table, or an image of it in the stream. Money is kept as text: exact, as the API shows it.

    Raises
    ------
    UnreadableOrder
    """
    try:
        values = {name: _from_attribute(value) for name, value in item.items()}
        items = [{**line, "quantity": int(line["quantity"])} for line in values["items"]]
        return Order.model_validate({**values, "items": items})
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnreadableOrder(type(error).__name__) from error


def to_item(order: Order) -> dict[str, Any]:
    """Write an order as an item of the table."""
    document = order.model_dump(mode="json", exclude_none=True)
    if order.trace_header:
        document["trace_header"] = order.trace_header
    if order.status is Status.PENDING:
        document["pending_bucket"] = str(order.order_id)[0]
    return {name: _to_attribute(value) for name, value in document.items()}


def _result(error: Mapping[str, Any] | None) -> bool | Exception:
    if error is None:
        return True
    if error["Code"] != "ConditionalCheckFailed":
        return OrderNotSettled(error["Code"])
    return False if "Item" in error else OrderNotFound()
