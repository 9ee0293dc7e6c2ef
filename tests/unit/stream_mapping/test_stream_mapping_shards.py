"""The whole mapping on a stream in memory: where it starts, which shards it reads, and what it survives."""

import threading

from local.stream_mapping import FunctionError, MappingEvent
from local.stream_mapping.records import Record
from tests.unit.stream_mapping.fake_stream import FakeFunction, FakeStream, lambda_records, running, stream_record


def test_records_are_delivered_in_order_from_the_trim_horizon() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", *(stream_record(number) for number in (1, 2)))

    with running(stream, function):
        function.wait_for(2)
        stream.shards["one"].append(stream_record(3))
        function.wait_for(3)

    assert function.delivered() == [1, 2, 3]


def test_a_parent_is_processed_before_its_children_on_every_page_of_the_description() -> None:
    stream = FakeStream()
    stream.add_shard("child", stream_record(4), parent="parent")
    stream.add_shard("parent", stream_record(2), stream_record(3), parent="grandparent", closed=True)
    stream.add_shard("grandparent", stream_record(1), parent="trimmed", closed=True)
    failed = threading.Event()

    def fail_once(event: dict[str, list[Record]]) -> None:
        if event["Records"] == lambda_records(2, 3) and not failed.is_set():
            failed.set()
            raise FunctionError("once")

    function = FakeFunction(fail_once)
    with running(stream, function):
        function.wait_for(4)

    assert function.delivered() == [1, 2, 3, 2, 3, 4]


def test_an_outage_of_the_stream_loses_and_repeats_nothing_and_is_reported_once() -> None:
    stream, function, events = FakeStream(), FakeFunction(), list[MappingEvent]()
    stream.add_shard("one", stream_record(1))

    with running(stream, function, on_event=events.append):
        function.wait_for(1)
        stream.go_away()
        stream.shards["one"].append(stream_record(2))
        stream.come_back()
        function.wait_for(2)

    assert function.delivered() == [1, 2]
    assert [(event.message.partition(",")[0], event.lane) for event in events] == [
        ("the stream cannot be read", None),
        ("the stream can be read again", None),
    ]


def test_a_stream_that_is_away_at_first_is_waited_for() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", stream_record(1))

    stream.go_away()
    with running(stream, function):
        stream.come_back()
        function.wait_for(1)


def test_an_expired_iterator_is_replaced_by_one_after_the_last_record() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", stream_record(1))

    with running(stream, function):
        function.wait_for(1)
        stream.expire_iterators()
        stream.wait_until_read("one")
        stream.shards["one"].append(stream_record(2))
        function.wait_for(2)

    assert function.delivered() == [1, 2]
    assert stream.iterator_types == ["TRIM_HORIZON", "AFTER_SEQUENCE_NUMBER"]


def test_when_the_next_record_was_trimmed_the_oldest_that_is_left_comes_next() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", stream_record(1))

    with running(stream, function):
        function.wait_for(1)
        stream.go_away()
        stream.wait_until_asked(3)
        stream.shards["one"] += [stream_record(2), stream_record(3)]
        stream.trim("one", 2)
        stream.expire_iterators()
        stream.come_back()
        function.wait_for(3)

    assert function.delivered() == [1, 3]


def test_a_shard_that_vanishes_holds_up_nobody() -> None:
    stream, function = FakeStream(), FakeFunction()
    stream.add_shard("one", stream_record(1))

    with running(stream, function):
        function.wait_for(1)
        stream.add_shard("two", stream_record(2), parent="one")
        stream.vanish("one")
        function.wait_for(2)


def test_a_second_run_begins_at_the_starting_position_again() -> None:
    stream = FakeStream()
    stream.add_shard("one", stream_record(1))

    for function in (FakeFunction(), FakeFunction()):
        with running(stream, function):
            function.wait_for(1)

    assert stream.iterator_types == ["TRIM_HORIZON", "TRIM_HORIZON"]
