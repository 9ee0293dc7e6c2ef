"""The orders, as the table and its stream have them, read only while somebody looks."""

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
CLIENT = Config(connect_timeout=1, read_timeout=5, retries={"total_max_attempts": 1})


class Row(NamedTuple):
    """An order in the page's list. LOST is one whose item is gone, or in a state that nothing would ever settle."""

    order_id: str
    customer_id: str
    total: str
    currency: str
    status: str
    created_at: str
    changed_at: str
    attempts: int
    due_at: str


class TableWatch:
    """The rows of all orders, each with the revision at which it last changed."""

    def __init__(self, table_name: str) -> None:
        self._table_name = table_name
        self._dynamodb = boto3.client("dynamodb", config=CLIENT)
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

    def changed_since(self, epoch: str, revision: int) -> tuple[str, int, list[Row]]:
        """Return the rows that changed since a revision, oldest change first; all of them if it is of another epoch."""
        with self._lock:
            if epoch != self._epoch:
                revision = 0
            newest_first = reversed(self._rows.values())
            changed = [row for _, row in takewhile(lambda entry: entry[0] > revision, newest_first)]
            return self._epoch, self._revision, changed[::-1]

    def row(self, order_id: str) -> Row | None:
        """Return an order's row."""
        return self._rows.get(order_id, (0, None))[1]

    def pending(self) -> list[Row]:
        """Return the orders that wait for their payment."""
        with self._lock:
            return [row for _, row in self._rows.values() if row.status == "PENDING"]

    def counts(self, accepted: Mapping[str, float], grace_seconds: float) -> dict[str, int]:
        """Count the orders by status. Of the accepted ones, those without an item for `grace_seconds` are lost."""
        with self._lock:
            before = time.monotonic() - grace_seconds
            missing = accepted.keys() - self._rows.keys() if self._is_scanned else set()
            gone = sum(accepted[order_id] < before for order_id in missing)
            return {**self._counts, "LOST": self._counts["LOST"] + gone, "accepted": len(self._rows) + gone}

    def _forget(self) -> None:
        self._epoch = uuid4().hex[:8]
        self._rows: dict[str, tuple[int, Row]] = {}  # in the order of their last change
        self._revision = 0
        self._counts = Counter[str]()
        self._is_scanned = False

    def _run(self) -> None:
        while True:
            try:
                self._follow()
            except (BotoCoreError, ClientError):  # DynamoDB Local is away, or no longer has what we had of the stream
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
        stream_arn = self._dynamodb.describe_table(TableName=self._table_name)["Table"]["LatestStreamArn"]
        iterators = list(self._iterators(stream_arn))  # first of all, so that nothing is missed
        found = set()
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=self._table_name, ConsistentRead=True):
            for item in page["Items"]:
                found.add(item["order_id"]["S"])
                self._put(_row(item))
        for order_id in self._rows.keys() - found:
            self._put(self._rows[order_id][1]._replace(status="LOST"))
        self._is_scanned = True
        while all(iterators) and self._is_wanted():
            for index, iterator in enumerate(iterators):
                answer = self._streams.get_records(ShardIterator=iterator)
                for record in answer["Records"]:
                    self._take(record["dynamodb"])
                iterators[index] = answer.get("NextShardIterator", "")
            time.sleep(POLL_SECONDS)

    def _iterators(self, stream_arn: str) -> Iterator[str]:
        shards = self._streams.describe_stream(StreamArn=stream_arn)["StreamDescription"]["Shards"]
        for shard in shards:
            if "EndingSequenceNumber" not in shard["SequenceNumberRange"]:
                yield self._streams.get_shard_iterator(
                    StreamArn=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST"
                )["ShardIterator"]

    def _take(self, change: Mapping[str, Any]) -> None:
        if "NewImage" in change:
            self._put(_row(change["NewImage"]))
        elif row := self.row(change["Keys"]["order_id"]["S"]):
            self._put(row._replace(status="LOST"))

    def _put(self, row: Row) -> None:
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


def _counted(row: Row) -> list[str]:
    return [row.status, "deferred"] if row.status == "PENDING" and row.attempts else [row.status]


def _row(item: Mapping[str, Mapping[str, Any]]) -> Row:
    """Read what the list shows of an item, whatever is in it."""
    plain = {name: str(*value.values()) for name, value in item.items()}
    status = plain.get("status", "LOST")
    if (status == "PENDING") != ("pending_bucket" in plain):  # the index has it, as long as RecoverOrders is to find it
        status = "LOST"
    return Row(
        order_id=plain["order_id"],
        customer_id=plain.get("customer_id", ""),
        total=plain.get("total", ""),
        currency=plain.get("currency", ""),
        status=status,
        created_at=plain.get("created_at", ""),
        changed_at=plain.get("processed_at") or plain.get("declined_at") or plain.get("created_at", ""),
        attempts=int(plain.get("attempts", 0)),
        due_at=plain.get("due_at", ""),
    )
