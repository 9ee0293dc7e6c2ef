"""A DynamoDB stream in memory, and a function that remembers what it was invoked with."""

# ruff: noqa: N803 - the arguments have AWS's names

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping import Invoke, MappingEvent, MappingSettings, StreamMapping
from local.stream_mapping.records import Record, sequence_number, to_lambda_record
from simulation.aws.stream import STREAM_ARN, a_stream_record

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:processPayment"
PATIENCE_SECONDS = 5
AWS_DEFAULTS = MappingSettings()
BIRTH = 1_767_225_600  # 2026-01-01T00:00:00Z


def stream_record(number: int, key: str = "k") -> dict[str, Any]:
    """A record as boto3 returns it; record `number` was made `number` seconds after BIRTH."""
    item = {"order_id": {"S": key}, "status": {"S": "PENDING"}, "customer_id": {"S": "secret-customer"}}
    return a_stream_record(item, f"{number:021d}", datetime.fromtimestamp(BIRTH + number, UTC))


def lambda_records(*numbers: int) -> list[Record]:
    """Records as the function gets them."""
    return [to_lambda_record(stream_record(number), STREAM_ARN) for number in numbers]


def numbers_of(records: list[Record]) -> list[int]:
    """The numbers that the records were made with."""
    return [int(sequence_number(record)) for record in records]


def report(*numbers: int) -> dict[str, Any]:
    """What a function returns for records that failed."""
    return {"batchItemFailures": [{"itemIdentifier": f"{number:021d}"} for number in numbers]}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "GetRecords")


@dataclass
class FakeStream:
    """The three calls of a dynamodbstreams client. A description has one shard a page; an iterator is `shard|index`."""

    shards: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    parents: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def describe_stream(self, *, StreamArn: str, ExclusiveStartShardId: str | None = None) -> dict[str, Any]:
        assert StreamArn == STREAM_ARN
        names = list(self.shards)
        index = names.index(ExclusiveStartShardId) + 1 if ExclusiveStartShardId else 0
        page = [{"ShardId": name, "ParentShardId": self.parents.get(name)} for name in names[index : index + 1]]
        more = {"LastEvaluatedShardId": names[index]} if index + 1 < len(names) else {}
        return {"StreamDescription": {"Shards": page, **more}}

    def get_shard_iterator(self, *, StreamArn: str, ShardId: str, ShardIteratorType: str) -> dict[str, Any]:
        assert (StreamArn, ShardIteratorType) == (STREAM_ARN, "TRIM_HORIZON")
        return {"ShardIterator": f"{ShardId}|0"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        name, index = ShardIterator.split("|")
        if name not in self.shards:
            raise refusal("ResourceNotFoundException")
        page = self.shards[name][int(index) :]
        following = {} if name in self.closed else {"NextShardIterator": f"{name}|{int(index) + len(page)}"}
        return {"Records": page, **following}


class FakeFunction:
    """Remembers its invocations; `respond` says how each one ends."""

    def __init__(self, respond: Invoke = lambda event: None) -> None:  # noqa: ARG005
        self.invocations: list[list[Record]] = []
        self._respond = respond
        self._changed = threading.Condition()

    def __call__(self, event: dict[str, Any]) -> dict[str, Any] | None:
        with self._changed:
            self.invocations.append(event["Records"])
            self._changed.notify_all()
        return self._respond(event)

    def delivered(self) -> list[int]:
        """The numbers of the records, in the order of their delivery."""
        return [number for records in self.invocations for number in numbers_of(records)]

    def wait_for(self, *numbers: int) -> None:
        """Return when these records were delivered."""
        with self._changed:
            is_delivered = self._changed.wait_for(lambda: set(numbers) <= set(self.delivered()), PATIENCE_SECONDS)
        assert is_delivered, self.delivered()


@contextmanager
def running(
    stream: FakeStream, function: Invoke, settings: MappingSettings = AWS_DEFAULTS
) -> Iterator[tuple[threading.Event, list[MappingEvent]]]:
    """A mapping at work: what stops it, and its events."""
    stop, events = threading.Event(), list[MappingEvent]()
    mapping = StreamMapping(
        settings=settings,
        client=cast("DynamoDBStreamsClient", stream),
        stream_arn=STREAM_ARN,
        function_arn=FUNCTION_ARN,
        invoke=lambda event, _: function(event),
        on_failure=print,
        on_event=events.append,
        pause=lambda stop, seconds: stop.wait(min(seconds, 0.001)),
    )
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(mapping.run, stop)
        try:
            yield stop, events
        finally:
            stop.set()
            run.result(PATIENCE_SECONDS)
    assert set(threading.enumerate()) <= before
