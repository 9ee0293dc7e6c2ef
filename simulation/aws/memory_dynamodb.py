"""The orders table in memory, behind the calls of boto3's client that the service makes, and no others.

tests/integration/test_memory_dynamodb.py holds it to what DynamoDB Local does.
"""

# ruff: noqa: N803  # the arguments have AWS's names

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from simulation.aws.update_statement import Item, UpdateStatement

STATEMENTS_PER_CALL = 25
KEYS_PER_CALL = 100
FILTER = "attribute_not_exists(due_at) OR due_at <= :due_by"

OnChange = Callable[[Item | None, Item], None]


class ConditionalCheckFailedException(ClientError):
    """As boto3's clients raise it."""


class MemoryDynamoDB:
    """A table with the index `pending-orders`. `on_change` gets each item that was written, before and after."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)

    def __init__(self, table: str, on_change: OnChange = lambda _before, _after: None) -> None:
        self.items: dict[str, Item] = {}
        self._table = table
        self._on_change = on_change
        # For each pending_bucket the sort keys in order: created_at, then order_id.
        self._index: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)

    def put_item(
        self,
        *,
        TableName: str,
        Item: Item,
        ConditionExpression: str | None = None,
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> dict[str, Any]:
        self._check_table(TableName, "PutItem")
        if ConditionExpression not in {None, "attribute_not_exists(order_id)"}:
            raise NotImplementedError(ConditionExpression)
        before = self.items.get(Item["order_id"]["S"])
        if ConditionExpression and before:
            returned = {"Item": dict(before)} if ReturnValuesOnConditionCheckFailure == "ALL_OLD" else {}
            error = {"Code": "ConditionalCheckFailedException", "Message": "The conditional request failed"}
            raise ConditionalCheckFailedException({"Error": error, **returned}, "PutItem")  # type: ignore[typeddict-item]  # boto3 adds it too
        self._write(before, dict(Item))
        return {}

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> dict[str, Any]:  # noqa: ARG002
        self._check_table(TableName, "GetItem")
        item = self.items.get(Key["order_id"]["S"])
        return {"Item": dict(item)} if item else {}

    def delete_item(self, *, TableName: str, Key: Item) -> dict[str, Any]:
        self._check_table(TableName, "DeleteItem")
        if item := self.items.pop(Key["order_id"]["S"], None):
            self._remove_from_index(item)
        return {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:
        [(table, request)] = RequestItems.items()
        self._check_table(table, "BatchGetItem")
        keys = [key["order_id"]["S"] for key in request["Keys"]]
        if len(keys) > KEYS_PER_CALL:
            raise refusal("ValidationException", "BatchGetItem")
        return {
            "Responses": {table: [dict(self.items[key]) for key in keys if key in self.items]},
            "UnprocessedKeys": {},
        }

    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        keys = {UpdateStatement.parse(each["Statement"]).key(each["Parameters"]) for each in Statements}
        if not len(keys) == len(Statements) <= STATEMENTS_PER_CALL:
            raise refusal("ValidationException", "BatchExecuteStatement")
        return {"Responses": [self._execute(**each) for each in Statements]}

    def _execute(
        self, *, Statement: str, Parameters: Sequence[Any], ReturnValuesOnConditionCheckFailure: str = "NONE"
    ) -> dict[str, Any]:
        statement = UpdateStatement.parse(Statement)
        if statement.table != self._table:
            return {"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}}
        item = self.items.get(statement.key(Parameters))
        if item and statement.is_met(item, Parameters):
            self._write(item, statement.applied(item, Parameters))
            return {"TableName": self._table}
        returned = {"Item": dict(item)} if item and ReturnValuesOnConditionCheckFailure == "ALL_OLD" else {}
        return {"Error": {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", **returned}}

    def query(  # noqa: PLR0913  # what the service sends
        self,
        *,
        TableName: str,
        IndexName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Any],
        FilterExpression: str | None = None,
        Limit: int | None = None,
        ExclusiveStartKey: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        self._check_table(TableName, "Query")
        expected = ("pending-orders", "pending_bucket = :bucket")
        if (IndexName, KeyConditionExpression) != expected or FilterExpression not in {None, FILTER}:
            raise NotImplementedError(KeyConditionExpression, FilterExpression)
        entries = self._index[ExpressionAttributeValues[":bucket"]["S"]]
        start = 0
        if ExclusiveStartKey:
            last = (ExclusiveStartKey["created_at"]["S"], ExclusiveStartKey["order_id"]["S"])
            start = bisect.bisect_right(entries, last)
        end = len(entries) if Limit is None else start + Limit
        items = [self._projected(order_id) for _, order_id in entries[start:end]]
        more = {"LastEvaluatedKey": {name: items[-1][name] for name in _KEYS}} if items and end < len(entries) else {}
        if FilterExpression:
            due_by = ExpressionAttributeValues[":due_by"]["S"]
            items = [item for item in items if "due_at" not in item or item["due_at"]["S"] <= due_by]
        return {"Items": items, **more}

    def get_paginator(self, operation_name: str) -> "Paginator":
        if operation_name != "query":
            raise NotImplementedError(operation_name)
        return Paginator(self.query)

    def pending(self) -> Iterator[Item]:
        """Return what is in the index."""
        return (self.items[order_id] for entries in self._index.values() for _, order_id in entries)

    def _projected(self, order_id: str) -> Item:
        item = self.items[order_id]
        return {name: item[name] for name in _PROJECTED if name in item}

    def _write(self, before: Item | None, after: Item) -> None:
        if before:
            self._remove_from_index(before)
        self.items[after["order_id"]["S"]] = after
        if "pending_bucket" in after:
            bisect.insort(self._index[after["pending_bucket"]["S"]], (after["created_at"]["S"], after["order_id"]["S"]))
        self._on_change(before, after)

    def _remove_from_index(self, item: Item) -> None:
        if "pending_bucket" in item:
            self._index[item["pending_bucket"]["S"]].remove((item["created_at"]["S"], item["order_id"]["S"]))

    def _check_table(self, name: str, operation: str) -> None:
        if name != self._table:
            raise refusal("ResourceNotFoundException", operation)


_KEYS = ("order_id", "pending_bucket", "created_at")
_PROJECTED = (*_KEYS, "due_at")


class Paginator:
    """As boto3's."""

    def __init__(self, query: Callable[..., dict[str, Any]]) -> None:
        self._query = query

    def paginate(self, *, PaginationConfig: Mapping[str, int], **arguments: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401  # those of query
        left = PaginationConfig.get("MaxItems")
        page_size = PaginationConfig.get("PageSize")
        position: dict[str, Any] = {}
        while True:
            page = self._query(**arguments, **({"Limit": page_size} if page_size else {}), **position)
            if left is not None:
                page["Items"] = page["Items"][:left]
                left -= len(page["Items"])
            yield page
            if "LastEvaluatedKey" not in page or left == 0:
                return
            position = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def refusal(code: str, operation: str, status: int = 400) -> ClientError:
    """Return the error that boto3 raises for an answer of DynamoDB's."""
    error = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, operation)  # type: ignore[arg-type]  # the rest of the metadata is nobody's concern
