"""The orders, as the table and its stream have them, read only while a page is open."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

POLL_SECONDS = 0.2
LINGER_SECONDS = 20  # a page that is loaded again, or a lost connection, finds what it had
LOST_SECONDS = 5  # how long an order that was accepted may be on its way through the stream to us
CLIENT = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})


class OrderRow(NamedTuple):
    """An order in the page's list. LOST is one whose item was deleted, or is in a state that is never settled."""

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
        is_consistent = (row.status == "PENDING") == ("pending_bucket" in plain)
        return row._replace(changed_at=changed_at, status=row.status if is_consistent else "LOST")


class TableWatch:
    """The rows of all orders, each with the revision at which it last changed."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name
        self.dynamodb = boto3.client("dynamodb", config=CLIENT)
        self._streams = boto3.client("dynamodbstreams", config=CLIENT)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._looked_at = 0.0
        self._forget()

    def look(self) -> None:
        """Keep the rows up to date for LINGER_SECONDS from now on."""
        with self._lock:
            self._looked_at = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()

    def changed_since(self, epoch: str, revision: int) -> tuple[str, int, list[OrderRow]]:
        """Return the rows that changed since a revision, oldest change first; all of them if it is of another epoch."""
        with self._lock:
            since = revision if epoch == self._epoch else 0
            newest_first = takewhile(lambda entry: entry[0] > since, reversed(self._rows.values()))
            return self._epoch, self._revision, [row for _, row in newest_first][::-1]

    def row(self, order_id: str) -> OrderRow | None:
        """Return an order's row."""
        return self._rows.get(order_id, (0, None))[1]

    def pending(self) -> list[OrderRow]:
        """Return the orders that wait for their payment."""
        with self._lock:
            return [row for _, row in self._rows.values() if row.status == "PENDING"]

    def counts(self, accepted: Mapping[str, float]) -> dict[str, int]:
        """Count the orders by status. Of the accepted ones, those without an item for LOST_SECONDS are lost."""
        with self._lock:
            before = time.monotonic() - LOST_SECONDS
            missing = accepted.keys() - self._rows.keys() if self._is_scanned else set()
            gone = sum(accepted[order_id] < before for order_id in missing)
            return {**self._counts, "LOST": self._counts["LOST"] + gone, "accepted": len(self._rows) + gone}

    def _forget(self) -> None:
        self._epoch = uuid4().hex[:8]
        self._rows: dict[str, tuple[int, OrderRow]] = {}  # in the order of their last change
        self._revision = 0
        self._counts = Counter[str]()
        self._is_scanned = False

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except (BotoCoreError, ClientError):  # DynamoDB Local is unavailable, or an iterator is no longer valid
                time.sleep(POLL_SECONDS)
            with self._lock:
                if not self._is_wanted():
                    self._thread = None
                    self._forget()
                    return

    def _is_wanted(self) -> bool:
        return time.monotonic() - self._looked_at < LINGER_SECONDS

    def _follow(self) -> None:
        """Read the table, and from there on its stream, until a shard ends."""
        stream_arn = self.dynamodb.describe_table(TableName=self._table_name)["Table"]["LatestStreamArn"]
        iterators = list(self._iterators(stream_arn))  # before the table is read, so that nothing is missed
        found = set()
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self._table_name, ConsistentRead=True):
            for item in page["Items"]:
                found.add(item["order_id"]["S"])
                self._put(OrderRow.of(item))
        for order_id in self._rows.keys() - found:
            self._put(self._rows[order_id][1]._replace(status="LOST"))
        self._is_scanned = True
        while all(iterators) and self._is_wanted():
            for index, iterator in enumerate(iterators):
                answer = self._streams.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    if "NewImage" in record["dynamodb"]:
                        self._put(OrderRow.of(record["dynamodb"]["NewImage"]))
                iterators[index] = answer.get("NextShardIterator", "")
            time.sleep(POLL_SECONDS)

    def _iterators(self, stream_arn: str) -> Iterator[str]:
        for shard in self._streams.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]:
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]:
                start = {"StreamArn": stream_arn, "ShardId": shard["ShardId"]}
                yield self._streams.get_shard_iterator(**start, ShardIteratorType="LATEST")["ShardIterator"]

    def _put(self, row: OrderRow) -> None:
        with self._lock:
            old = self.row(row.order_id)
            if row == old:
                return
            if old:
                self._counts.subtract(_counted(old))
                del self._rows[row.order_id]
            self._counts.update(_counted(row))
            self._revision += 1
            self._rows[row.order_id] = self._revision, row


def _counted(row: OrderRow) -> list[str]:
    return [row.status, "deferred"] if row.status == "PENDING" and row.attempts else [row.status]
