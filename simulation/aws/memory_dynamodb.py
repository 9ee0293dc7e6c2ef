"""The orders table in memory, behind the calls of boto3's client that the service makes, and no others.

tests/integration/test_memory_dynamodb.py holds it to what DynamoDB Local does.
"""

# ruff: noqa: N803  # the arguments have AWS's names

from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Protocol

from botocore.exceptions import ClientError

from simulation.aws.due_orders import DueOrders, Key
from simulation.aws.update_statement import Item, UpdateStatement

STATEMENTS_PER_CALL = 25
KEYS_PER_CALL = 100

Answer = dict[str, Any]
OnChange = Callable[[Item | None, Item], None]


class Index(Protocol):
    """The index, which may take its time."""

    def change(self, before: Key | None, after: Key | None) -> None: ...

    def page(self, bucket: str, due_by: str, position: Key | None, limit: int) -> list[Key]: ...


class ConditionalCheckFailedException(ClientError):
    """As boto3's clients raise it."""


class MemoryDynamoDB:
    """A table with the index `due-orders`. `on_change` gets each item that was written, before and after."""

    exceptions = SimpleNamespace(ConditionalCheckFailedException=ConditionalCheckFailedException)

    def __init__(
        self, table: str, on_change: OnChange = lambda _before, _after: None, index: Index | None = None
    ) -> None:
        self.items: dict[str, Item] = {}
        self.index = index or DueOrders()
        self._table = table
        self._on_change = on_change

    def put_item(
        self,
        *,
        TableName: str,
        Item: Item,
        ConditionExpression: str | None = None,
        ReturnValuesOnConditionCheckFailure: str = "NONE",
    ) -> Answer:
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

    def get_item(self, *, TableName: str, Key: Item, ConsistentRead: bool) -> Answer:  # noqa: ARG002
        self._check_table(TableName, "GetItem")
        item = self.items.get(Key["order_id"]["S"])
        return {"Item": dict(item)} if item else {}

    def delete_item(self, *, TableName: str, Key: Item) -> Answer:
        self._check_table(TableName, "DeleteItem")
        if item := self.items.pop(Key["order_id"]["S"], None):
            self._change_index(item, None)
        return {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Answer:
        [(table, request)] = RequestItems.items()
        self._check_table(table, "BatchGetItem")
        keys = [key["order_id"]["S"] for key in request["Keys"]]
        if not len(set(keys)) == len(keys) <= KEYS_PER_CALL or not keys:
            raise refusal("ValidationException", "BatchGetItem")
        return {
            "Responses": {table: [dict(self.items[key]) for key in keys if key in self.items]},
            "UnprocessedKeys": {},
        }

    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> Answer:
        keys = {UpdateStatement.parse(each["Statement"]).key(each["Parameters"]) for each in Statements}
        if not len(keys) == len(Statements) <= STATEMENTS_PER_CALL or not Statements:
            raise refusal("ValidationException", "BatchExecuteStatement")
        return {"Responses": [self._execute(**each) for each in Statements]}

    def _execute(
        self, *, Statement: str, Parameters: Sequence[Any], ReturnValuesOnConditionCheckFailure: str = "NONE"
    ) -> Answer:
        statement = UpdateStatement.parse(Statement)
        if statement.table != self._table:
            return {"Error": {"Code": "ResourceNotFound", "Message": "Requested resource not found"}}
        item = self.items.get(statement.key(Parameters))
        if item and statement.is_met(item, Parameters):
            self._write(item, statement.applied(item, Parameters))
            return {"TableName": self._table}
        returned = {"Item": dict(item)} if item and ReturnValuesOnConditionCheckFailure == "ALL_OLD" else {}
        return {"Error": {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed", **returned}}

    def query(
        self,
        *,
        TableName: str,
        IndexName: str,
        KeyConditionExpression: str,
        ExpressionAttributeValues: Mapping[str, Any],
        Limit: int,
        ExclusiveStartKey: Mapping[str, Any] | None = None,
    ) -> Answer:
        self._check_table(TableName, "Query")
        if (IndexName, KeyConditionExpression) != ("due-orders", "pending_bucket = :bucket AND due_at <= :now"):
            raise NotImplementedError(IndexName, KeyConditionExpression)
        bucket, now = (ExpressionAttributeValues[name]["S"] for name in (":bucket", ":now"))
        page = self.index.page(bucket, now, _key(ExclusiveStartKey), Limit)
        items = [dict(zip(_KEY, ({"S": value} for value in entry), strict=True)) for entry in page]
        # DynamoDB does not look whether anything comes after the last item of a full page.
        return {"Items": items, **({"LastEvaluatedKey": items[-1]} if len(items) == Limit else {})}

    def _write(self, before: Item | None, after: Item) -> None:
        self.items[after["order_id"]["S"]] = after
        self._change_index(before, after)
        self._on_change(before, after)

    def _change_index(self, before: Item | None, after: Item | None) -> None:
        entries = _key(before), _key(after)
        if entries[0] != entries[1]:
            self.index.change(*entries)

    def _check_table(self, name: str, operation: str) -> None:
        if name != self._table:
            raise refusal("ResourceNotFoundException", operation)


_KEY = ("pending_bucket", "due_at", "order_id")


def _key(item: Mapping[str, Any] | None) -> Key | None:
    """Return an item's entry in the index, which has only the items with all of its attributes."""
    return Key(*(item[name]["S"] for name in _KEY)) if item and "pending_bucket" in item and "due_at" in item else None


def refusal(code: str, operation: str, status: int = 400) -> ClientError:
    """Return the error that boto3 raises for an answer of DynamoDB's."""
    error = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, operation)  # type: ignore[arg-type]  # the service reads no other metadata
