"""A DynamoDB stream in memory, and a function that remembers what it was invoked with."""

# ruff: noqa: N803 - the arguments have AWS's names

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError, EndpointConnectionError
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping import Invoke, MappingEvent, MappingSettings, StreamMapping
from local.stream_mapping.records import Record, sequence_number, to_lambda_record
from simulation.aws.stream import STREAM_ARN, a_stream_record

FUNCTION_ARN = "arn:aws:lambda:us-east-1:000000000000:function:processPayment"
PATIENCE_SECONDS = 5
AWS_DEFAULTS = MappingSettings()
BIRTH = 1_767_225_600  # 2026-01-01T00:00:00Z


def stream_record(number: int, key: str = "k", *, name: str = "INSERT", status: str = "PENDING") -> dict[str, Any]:
    """A record as boto3 returns it; record `number` was made `number` seconds after BIRTH."""
    item = {"order_id": {"S": key}, "status": {"S": status}, "customer_id": {"S": "secret-customer"}}
    return a_stream_record(item, f"{number:021d}", datetime.fromtimestamp(BIRTH + number, UTC), name)


def lambda_records(*numbers: int, key: str = "k") -> list[Record]:
    """Records as the function gets them."""
    return [to_lambda_record(stream_record(number, key), STREAM_ARN) for number in numbers]


def numbers_of(records: list[Record]) -> list[int]:
    """The numbers that the records were made with."""
    return [int(sequence_number(record)) for record in records]


def report(*numbers: int) -> dict[str, Any]:
    """What a function returns for records that failed."""
    return {"batchItemFailures": [{"itemIdentifier": f"{number:021d}"} for number in numbers]}


class FakeStream:
    """The three calls of a dynamodbstreams client. A description has one shard a page; an iterator is `shard|index`."""

    def __init__(self) -> None:
        self.shards: dict[str, list[dict[str, Any]]] = {}
        self.iterator_types: list[str] = []
        self._parents: dict[str, str | None] = {}
        self._closed: set[str] = set()
        self._trimmed: dict[str, int] = {}
        self._expired: set[str] = set()
        self._reads = Counter[str]()
        self._is_away = False
        self._asked = threading.Condition()

    def add_shard(self, name: str, *records: dict[str, Any], parent: str | None = None, closed: bool = False) -> None:
        self.shards[name], self._parents[name] = list(records), parent
        if closed:
            self._closed.add(name)

    def close(self, name: str) -> None:
        self._closed.add(name)

    def vanish(self, name: str) -> None:
        del self.shards[name]

    def trim(self, name: str, before: int) -> None:
        """Drop the records before an index, as DynamoDB does after 24 hours."""
        self._trimmed[name] = before

    def go_away(self) -> None:
        """Refuse connections from now on."""
        self._is_away = True

    def come_back(self) -> None:
        """Accept connections again, after some were refused."""
        self.wait_until_asked(3)
        self._is_away = False

    def wait_until_asked(self, times: int) -> None:
        """Return after some more calls."""
        with self._asked:
            for _ in range(times):
                assert self._asked.wait(PATIENCE_SECONDS)

    def wait_until_read(self, name: str) -> None:
        """Return when a shard was read once more, from beginning to end."""
        with self._asked:
            reads = self._reads[name]
            assert self._asked.wait_for(lambda: self._reads[name] > reads + 1, PATIENCE_SECONDS)

    def expire_iterators(self) -> None:
        """Refuse every iterator there is now."""
        self._expired = {
            f"{name}|{index}" for name, records in self.shards.items() for index in range(len(records) + 1)
        }

    def describe_stream(self, *, StreamArn: str, ExclusiveStartShardId: str | None = None) -> dict[str, Any]:
        self._answer_or_refuse()
        assert StreamArn == STREAM_ARN
        names = list(self.shards)
        index = names.index(ExclusiveStartShardId) + 1 if ExclusiveStartShardId else 0
        page = [{"ShardId": name, "ParentShardId": self._parents[name]} for name in names[index : index + 1]]
        more = {"LastEvaluatedShardId": names[index]} if index + 1 < len(names) else {}
        return {"StreamDescription": {"Shards": page, **more}}

    def get_shard_iterator(
        self,
        *,
        StreamArn: str,
        ShardId: str,
        ShardIteratorType: str,
        SequenceNumber: str = "",
    ) -> dict[str, Any]:
        self._answer_or_refuse()
        assert StreamArn == STREAM_ARN
        self.iterator_types.append(ShardIteratorType)
        records, oldest = self._records(ShardId), self._trimmed.get(ShardId, 0)
        if ShardIteratorType == "AFTER_SEQUENCE_NUMBER":
            index = 1 + [record["dynamodb"]["SequenceNumber"] for record in records].index(SequenceNumber)
            if index < oldest:
                raise _refusal("TrimmedDataAccessException")
        else:
            index = len(records) if ShardIteratorType == "LATEST" else oldest
        self._expired.discard(f"{ShardId}|{index}")
        return {"ShardIterator": f"{ShardId}|{index}"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        name, index = ShardIterator.split("|")
        self._reads[name] += 1
        self._answer_or_refuse()
        if ShardIterator in self._expired:
            raise _refusal("ExpiredIteratorException")
        records = self._records(name)
        is_over = name in self._closed
        page = records[int(index) :]
        return (
            {"Records": page} if is_over else {"Records": page, "NextShardIterator": f"{name}|{int(index) + len(page)}"}
        )

    def _records(self, name: str) -> list[dict[str, Any]]:
        if name not in self.shards:
            raise _refusal("ResourceNotFoundException")
        return self.shards[name]

    def _answer_or_refuse(self) -> None:
        with self._asked:
            self._asked.notify_all()
            if self._is_away:
                raise EndpointConnectionError(endpoint_url="http://127.0.0.1:8000")


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
            assert self._changed.wait_for(lambda: set(numbers) <= set(self.delivered()), PATIENCE_SECONDS), (
                self.delivered()
            )


@contextmanager
def running(
    stream: FakeStream,
    function: Invoke,
    settings: MappingSettings = AWS_DEFAULTS,
    on_failure: Callable[[dict[str, Any]], None] = print,
    on_event: Callable[[MappingEvent], None] = print,
) -> Iterator[threading.Event]:
    """A mapping at work; its value stops it."""
    stop = threading.Event()
    mapping = StreamMapping(
        settings=settings,
        client=cast("DynamoDBStreamsClient", stream),
        stream_arn=STREAM_ARN,
        function_arn=FUNCTION_ARN,
        invoke=lambda event, _: function(event),
        on_failure=on_failure,
        on_event=on_event,
        pause=lambda stop, seconds: stop.wait(min(seconds, 0.001)),
    )
    before = set(threading.enumerate())
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(mapping.run, stop)
        try:
            yield stop
        finally:
            stop.set()
            run.result(PATIENCE_SECONDS)
    assert set(threading.enumerate()) <= before


def _refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "GetRecords")
