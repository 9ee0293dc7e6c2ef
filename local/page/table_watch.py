"""The orders, as the table and its stream have them, read only while a page is open."""

import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PAUSE_SECONDS = 0.1
FEW_RECORDS = 100  # an answer of the stream with less is its last for now
READ_SECONDS = 1  # how long an answer waits for what has changed
LOST_SECONDS = 5  # how long an order that was accepted may be on its way to us
CLIENT = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})


class OrderRow(NamedTuple):
    """An order in the page's list. LOST is one without an item, or whose item is in a state that is never settled."""

    order_id: str
    customer_id: str = ""
    total: str = ""
    currency: str = ""
    status: str = "LOST"
    created_at: str = ""
    changed_at: str = ""
    attempts: str = ""
    due_at: str = ""

    @classmethod
    def of(cls, item: Mapping[str, Mapping[str, Any]]) -> "OrderRow":
        """Read what the list shows of an item; a missing attribute stays empty."""
        plain = {name: str(*value.values()) for name, value in item.items()}
        row = cls(**{name: plain[name] for name in cls._fields if name in plain})
        changed_at = plain.get("processed_at") or plain.get("declined_at") or row.created_at
        # The index has an order as long as RecoverOrders is to find it.
        is_consistent = (row.status == "PENDING") == ({"pending_bucket", "due_at"} <= plain.keys())
        return row._replace(changed_at=changed_at, status=row.status if is_consistent else "LOST")


class TableWatch:
    """The rows of all orders. When they are asked for, a thread reads what has changed since the last time."""

    def __init__(self, table_name: str, accepted: Mapping[str, float]) -> None:
        self._table_name, self._accepted = table_name, accepted
        self._dynamodb = boto3.client("dynamodb", config=CLIENT)
        self._streams = boto3.client("dynamodbstreams", config=CLIENT)
        self._rows: dict[str, OrderRow] = {}
        self._iterators: list[str | None] = []  # of each open shard of the stream
        self._read_at = 0.0
        self._is_asked, self._is_read = threading.Event(), threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def rows(self) -> list[OrderRow]:
        """Return a row for each order of the table, and for each that was accepted but is not there."""
        self._is_read.clear()
        self._is_asked.set()
        self._is_read.wait(READ_SECONDS)
        lost_before, rows = self._read_at - LOST_SECONDS, self._rows.copy()
        gone = [order_id for order_id, at in list(self._accepted.items()) if at < lost_before and order_id not in rows]
        return [*rows.values(), *map(OrderRow, gone)]

    def _run(self) -> None:
        while True:
            self._is_asked.wait()
            self._is_asked.clear()
            try:
                self._read()
                self._is_read.set()
            except (BotoCoreError, ClientError):  # DynamoDB Local is unavailable, or an iterator is no longer valid
                self._iterators = []
            time.sleep(PAUSE_SECONDS)

    def _read(self) -> None:
        """Read the table once, and from there on its stream; both again when a shard has ended."""
        began = time.monotonic()
        if not self._iterators or None in self._iterators:
            self._iterators = self._latest()  # before the table is read, so that nothing is missed
            pages = self._dynamodb.get_paginator("scan").paginate(TableName=self._table_name, ConsistentRead=True)
            self._rows = {row.order_id: row for page in pages for row in map(OrderRow.of, page["Items"])}
        for index in range(len(self._iterators)):
            while iterator := self._iterators[index]:
                answer = self._streams.get_records(ShardIterator=iterator)
                self._iterators[index] = answer.get("NextShardIterator")
                changes = [record["dynamodb"] for record in answer["Records"]]
                rows = [OrderRow.of(change.get("NewImage", change["Keys"])) for change in changes]  # keys: was deleted
                self._rows |= {row.order_id: row for row in rows}
                if len(rows) < FEW_RECORDS:
                    break
        self._read_at = began

    def _latest(self) -> list[str | None]:
        arn = self._dynamodb.describe_table(TableName=self._table_name)["Table"]["LatestStreamArn"]
        shards = self._streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        ids = [shard["ShardId"] for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        start: Any = {"StreamArn": arn, "ShardIteratorType": "LATEST"}
        return [self._streams.get_shard_iterator(ShardId=each, **start)["ShardIterator"] for each in ids]
