"""Reads one shard of a DynamoDB stream to its end, through restarts of DynamoDB Local and lost iterators."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from botocore.exceptions import ClientError
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping.delivery import backoff_seconds
from local.stream_mapping.events import MappingEvent, OnEvent
from local.stream_mapping.records import Record, sequence_number, to_lambda_record

POLL_SECONDS = 0.1  # here a person waits; Lambda's is 0.25: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
LONGEST_OUTAGE_PAUSE_SECONDS = 1.0

Pause = Callable[[threading.Event, float], object]


@dataclass
class Outage:
    """An outage of the stream: an event when it begins and ends, and growing pauses between attempts."""

    on_event: OnEvent
    failures: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def goes_on(self, error: Exception) -> float:
        """Note that the stream did not answer, and return the seconds until the next attempt."""
        with self.lock:
            if not self.failures:
                self.on_event(MappingEvent(f"the stream cannot be read, trying until it can: {error}"))
            self.failures += 1
            return min(backoff_seconds(self.failures - 1), LONGEST_OUTAGE_PAUSE_SECONDS)

    def is_over(self) -> None:
        """Note that the stream answered."""
        with self.lock:
            if self.failures:
                self.on_event(MappingEvent("the stream can be read again"))
            self.failures = 0


@dataclass(kw_only=True)
class Shard:
    """A shard, and how far it has been read; this is kept in memory only."""

    shard_id: str
    stream_arn: str
    client: DynamoDBStreamsClient
    outage: Outage
    pause: Pause
    on_event: OnEvent
    is_listed: bool = True  # whether the stream still has the shard
    read_up_to: str = ""

    def reads(self, stop: threading.Event) -> Iterator[list[Record]]:
        """Yield the records of each read, in order, until the shard is closed and read to its end."""
        iterator: str | None = None
        while not stop.is_set():
            try:
                iterator = iterator or self._iterator()
                page = self.client.get_records(ShardIterator=iterator)
            except Exception as error:  # noqa: BLE001  # no error of a read may end the mapping
                code = error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
                if code == "ResourceNotFoundException" and not self.is_listed:
                    self._tell(f"is no longer in the stream, read up to: {self.read_up_to or None}")
                    return
                if code == "TrimmedDataAccessException" and self.read_up_to:
                    self._tell(f"lost the records after {self.read_up_to}; the oldest that is left comes next")
                    self.read_up_to = ""
                if code:  # an iterator expires; an outage does not spoil it
                    iterator = None
                self.pause(stop, self.outage.goes_on(error))
                continue
            self.outage.is_over()
            records = [to_lambda_record(record, self.stream_arn) for record in page["Records"]]
            if records:
                yield records
                self.read_up_to = sequence_number(records[-1])
            iterator = page.get("NextShardIterator")
            if iterator is None:
                return
            if not records:
                self.pause(stop, POLL_SECONDS)

    def _tell(self, what: str) -> None:
        self.on_event(MappingEvent(f"{self.shard_id} {what}"))

    def _iterator(self) -> str:
        if not self.read_up_to:
            return self.client.get_shard_iterator(
                StreamArn=self.stream_arn, ShardId=self.shard_id, ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
        return self.client.get_shard_iterator(
            StreamArn=self.stream_arn,
            ShardId=self.shard_id,
            ShardIteratorType="AFTER_SEQUENCE_NUMBER",
            SequenceNumber=self.read_up_to,
        )["ShardIterator"]
