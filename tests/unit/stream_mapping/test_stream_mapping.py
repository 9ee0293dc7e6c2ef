"""The whole mapping on a stream in memory: what it delivers, in which lanes, and how it ends."""

import sys
import threading

import pytest

from local.stream_mapping import FunctionError, MappingEvent, MappingSettings
from local.stream_mapping.records import Record
from tests.unit.stream_mapping.fake_stream import (
    PATIENCE_SECONDS,
    FakeFunction,
    FakeStream,
    lambda_records,
    running,
    stream_record,
)
from tests.waiting import eventually

KEYS_OF_LANES = ("k", "c")  # of two lanes


def test_records_that_no_filter_matches_are_passed_over() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", stream_record(1, name="MODIFY"), stream_record(2), stream_record(3, status="PROCESSED"))

    pattern = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["PENDING"]}}}}
    with running(stream, function, MappingSettings(filter_patterns=(pattern,))):
        stream.wait_until_read("one")
        stream.shards["one"].append(stream_record(4))
        function.wait_for(4)

    assert function.delivered() == [2, 4]


def test_a_batch_holds_what_is_there_up_to_the_batch_size() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", *(stream_record(number) for number in range(1, 8)))

    with running(stream, function, MappingSettings(batch_size=3)):
        function.wait_for(7)

    assert [len(records) for records in function.invocations] == [3, 3, 1]


def test_a_lane_does_not_wait_for_the_invocation_of_another() -> None:
    slow, fast = KEYS_OF_LANES
    stream, goes_on = FakeStream(), threading.Event()
    stream.add_shard("one", stream_record(1, slow), stream_record(2, fast))

    def wait_if_slow(event: dict[str, list[Record]]) -> None:
        if event["Records"][0]["dynamodb"]["Keys"]["order_id"]["S"] == slow:
            assert goes_on.wait(PATIENCE_SECONDS)

    function = FakeFunction(wait_if_slow)
    with running(stream, function, MappingSettings(parallelization_factor=2)):
        function.wait_for(1, 2)
        stream.shards["one"] += [stream_record(3, slow), stream_record(4, fast)]
        function.wait_for(4)
        assert 3 not in function.delivered()
        goes_on.set()
        function.wait_for(3)


def test_what_is_behind_a_record_that_is_given_up_on_is_delivered() -> None:
    stream, messages = FakeStream(), list[dict[str, object]]()
    stream.add_shard("one", stream_record(1))

    def fail_on_the_first(event: dict[str, list[Record]]) -> None:
        if event["Records"] == lambda_records(1):
            raise FunctionError("poison")

    function = FakeFunction(fail_on_the_first)
    with running(stream, function, MappingSettings(maximum_retry_attempts=1), messages.append):
        function.wait_for(1)
        stream.shards["one"].append(stream_record(2))
        function.wait_for(2)

    assert function.delivered() == [1, 1, 2]
    assert len(messages) == 1


def test_an_event_about_a_batch_has_the_number_of_its_lane() -> None:
    stream, events = FakeStream(), list[MappingEvent]()
    stream.add_shard("one", *(stream_record(number, key) for number, key in enumerate(KEYS_OF_LANES, 1)))

    def fail(_: dict[str, list[Record]]) -> None:
        raise FunctionError("always")

    with running(stream, FakeFunction(fail), MappingSettings(parallelization_factor=2), on_event=events.append):
        eventually(lambda: {event.lane for event in events} == {0, 1})


def test_stopping_waits_for_the_invocation_under_way_and_begins_no_other() -> None:
    stream = FakeStream()
    stream.add_shard("one", stream_record(1), stream_record(2))
    function = FakeFunction(lambda event: stop.set())  # noqa: ARG005

    with running(stream, function, MappingSettings(batch_size=1)) as stop:
        function.wait_for(1)

    assert function.delivered() == [1]


def test_stopping_ends_endless_retries() -> None:
    stream = FakeStream()
    stream.add_shard("one", stream_record(1))

    def fail(_: dict[str, list[Record]]) -> None:
        raise FunctionError("always")

    with running(stream, FakeFunction(fail)) as stop:
        stream.wait_until_read("one")
        stop.set()


def test_an_error_of_the_mapping_itself_ends_it_and_is_raised() -> None:
    stream, record = FakeStream(), stream_record(1)
    del record["dynamodb"]["Keys"]
    stream.add_shard("one", record)

    with pytest.raises(KeyError, match="Keys"), running(stream, FakeFunction()) as stop:
        ended_by_itself = stop.wait(PATIENCE_SECONDS)

    assert ended_by_itself


def test_what_is_no_failure_of_the_function_ends_the_mapping_too() -> None:
    stream = FakeStream()
    stream.add_shard("one", stream_record(1))

    def leave(_: dict[str, list[Record]]) -> None:
        sys.exit("enough")

    with pytest.raises(SystemExit, match="enough"), running(stream, FakeFunction(leave)) as stop:
        stop.wait(PATIENCE_SECONDS)
