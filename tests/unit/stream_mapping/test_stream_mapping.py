"""The whole mapping on a stream in memory: its shards and lanes, and how it ends."""

import sys
import threading
from typing import Any

import pytest

from local.stream_mapping import FunctionError, Invoke, MappingSettings
from local.stream_mapping.records import Record
from tests.unit.stream_mapping.fake_stream import (
    PATIENCE_SECONDS,
    FakeFunction,
    FakeStream,
    numbers_of,
    running,
    stream_record,
)
from tests.waiting import eventually

SLOW, FAST = "k", "c"  # of two lanes
Event = dict[str, list[Record]]


def test_a_parent_is_processed_before_its_children_on_every_page_of_the_description() -> None:
    stream = FakeStream(
        {
            "child": [stream_record(4)],
            "parent": [stream_record(2), stream_record(3)],
            "grandparent": [stream_record(1)],
        },
        parents={"child": "parent", "parent": "grandparent", "grandparent": "trimmed"},
        closed={"parent", "grandparent"},
    )
    failures = [FunctionError("once")]

    def fail_once_on_the_parent(event: Event) -> None:
        if numbers_of(event["Records"]) == [2, 3] and failures:
            raise failures.pop()

    function = FakeFunction(fail_once_on_the_parent)
    with running(stream, function):
        function.wait_for(4)

    assert function.delivered() == [1, 2, 3, 2, 3, 4]


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
    with running(stream, function, MappingSettings(parallelization_factor=2)):
        function.wait_for(1, 2)
        stream.shards["one"] += [stream_record(3, SLOW), stream_record(4, FAST)]
        function.wait_for(4)
        assert 3 not in function.delivered()
        goes_on.set()
        function.wait_for(3)


def test_endless_retries_are_reported_with_their_lane_and_end_with_the_mapping() -> None:
    stream = FakeStream({"one": [stream_record(1, SLOW), stream_record(2, FAST)]})

    def fail(_: Event) -> None:
        raise FunctionError("always")

    with running(stream, FakeFunction(fail), MappingSettings(parallelization_factor=2)) as (_, events):
        eventually(lambda: {event.lane for event in events} == {0, 1})


def test_stopping_waits_for_the_invocation_under_way_and_begins_no_other() -> None:
    stream = FakeStream({"one": [stream_record(1), stream_record(2)]})
    function = FakeFunction(lambda event: stop.set())  # noqa: ARG005

    with running(stream, function, MappingSettings(batch_size=1)) as (stop, _):
        function.wait_for(1)

    assert function.delivered() == [1]


def without_keys(record: dict[str, Any]) -> dict[str, Any]:
    del record["dynamodb"]["Keys"]
    return record


@pytest.mark.parametrize(
    ("record", "respond", "error"),
    [
        (without_keys(stream_record(1)), lambda _: None, KeyError),
        (stream_record(1), lambda _: sys.exit("enough"), SystemExit),
    ],
    ids=["of the mapping", "not a failure of the function"],
)
def test_an_error_ends_the_mapping_and_is_raised(
    record: dict[str, Any], respond: Invoke, error: type[BaseException]
) -> None:
    with pytest.raises(error), running(FakeStream({"one": [record]}), FakeFunction(respond)) as (stop, _):
        ended_by_itself = stop.wait(PATIENCE_SECONDS)

    assert ended_by_itself
