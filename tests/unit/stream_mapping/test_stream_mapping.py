"""The whole mapping on a stream in memory: its shards and lanes, and how it ends."""

# ruff: noqa: N803 - the arguments have AWS's names

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping import FunctionError, Invoke, MappingEvent, MappingSettings, StreamMapping
from local.stream_mapping.records import Record
from simulation.aws.stream import STREAM_ARN
from tests.builders import Context
from tests.unit.stream_mapping.stream_records import numbers_of, refusal, stream_record
from tests.waiting import eventually

PATIENCE_SECONDS = 5
SLOW, FAST = "k", "c"  # of two lanes
TWO_LANES = MappingSettings(parallelization_factor=2)
Event = dict[str, list[Record]]


@dataclass
class FakeStream:
    """The three calls of a dynamodbstreams client. An iterator is `shard|index`."""

    shards: dict[str, list[dict[str, Any]]]
    parents: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)

    def describe_stream(self, **_: str) -> dict[str, Any]:
        shards = [{"ShardId": name, "ParentShardId": self.parents.get(name)} for name in self.shards]
        return {"StreamDescription": {"Shards": shards}}

    def get_shard_iterator(self, *, ShardId: str, **_: str) -> dict[str, Any]:
        return {"ShardIterator": f"{ShardId}|0"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:
        name, index = ShardIterator.split("|")
        if name not in self.shards:
            raise refusal("ResourceNotFoundException")
        page = self.shards[name][int(index) :]
        following = {} if name in self.closed else {"NextShardIterator": f"{name}|{int(index) + len(page)}"}
        return {"Records": page, **following}


class FakeFunction:
    """Remembers the records that it was invoked with; `respond` says how each invocation ends."""

    def __init__(self, respond: Invoke = lambda _: None) -> None:
        self.delivered: list[int] = []
        self._respond = respond

    def __call__(self, event: dict[str, Any], _: int) -> dict[str, Any] | None:
        self.delivered += numbers_of(event["Records"])
        return self._respond(event)

    def wait_for(self, *numbers: int) -> None:
        """Return when these records were delivered."""
        eventually(lambda: set(numbers) <= set(self.delivered), PATIENCE_SECONDS, 0.001)


@contextmanager
def running(
    stream: FakeStream, function: FakeFunction, settings: MappingSettings = TWO_LANES
) -> Iterator[tuple[threading.Event, list[MappingEvent]]]:
    """A mapping at work: what stops it, and its events."""
    stop, events = threading.Event(), list[MappingEvent]()
    mapping = StreamMapping(
        settings=settings,
        client=cast("DynamoDBStreamsClient", stream),
        stream_arn=STREAM_ARN,
        function_arn=Context.invoked_function_arn,
        invoke=function,
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


def test_a_parent_is_processed_before_its_children() -> None:
    stream = FakeStream(
        {"child": [stream_record(4)], "parent": [stream_record(2), stream_record(3)], "oldest": [stream_record(1)]},
        parents={"child": "parent", "parent": "oldest", "oldest": "trimmed"},
        closed={"parent", "oldest"},
    )
    failures = [FunctionError("once")]

    def fail_once_on_the_parent(event: Event) -> None:
        if numbers_of(event["Records"]) == [2, 3] and failures:
            raise failures.pop()

    function = FakeFunction(fail_once_on_the_parent)
    with running(stream, function):
        function.wait_for(4)

    assert function.delivered == [1, 2, 3, 2, 3, 4]


def test_a_shard_that_vanishes_delays_no_other() -> None:
    stream, function = FakeStream({"one": [stream_record(1)]}), FakeFunction()

    with running(stream, function):
        function.wait_for(1)
        stream.shards, stream.parents = {"two": [stream_record(2)]}, {"two": "one"}
        function.wait_for(2)


def test_a_lane_does_not_wait_for_the_invocation_of_another() -> None:
    stream = FakeStream({"one": [stream_record(1, SLOW), stream_record(2, FAST)]})
    goes_on = threading.Event()

    def wait_if_slow(event: Event) -> None:
        if event["Records"][0]["dynamodb"]["Keys"]["order_id"]["S"] == SLOW:
            assert goes_on.wait(PATIENCE_SECONDS)

    function = FakeFunction(wait_if_slow)
    with running(stream, function):
        function.wait_for(1, 2)
        stream.shards["one"] += [stream_record(3, SLOW), stream_record(4, FAST)]
        function.wait_for(4)
        assert 3 not in function.delivered
        goes_on.set()
        function.wait_for(3)


def test_endless_retries_are_reported_with_their_lane_and_end_with_the_mapping() -> None:
    stream = FakeStream({"one": [stream_record(1, SLOW), stream_record(2, FAST)]})

    def fail(_: Event) -> None:
        raise FunctionError("always")

    with running(stream, FakeFunction(fail)) as (_, events):
        eventually(lambda: {event.lane for event in events} == {0, 1})


def test_an_error_of_the_mapping_itself_ends_it_and_is_raised() -> None:
    record = stream_record(1)
    del record["dynamodb"]["Keys"]

    with pytest.raises(KeyError), running(FakeStream({"one": [record]}), FakeFunction()) as (stop, _):
        ended_by_itself = stop.wait(PATIENCE_SECONDS)

    assert ended_by_itself
