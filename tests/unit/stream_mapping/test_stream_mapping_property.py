"""Whatever fails, no record is lost, delivered when it is done, or overtaken by a later one of its item."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.stream_mapping import FunctionError, FunctionNotInvoked, MappingSettings
from local.stream_mapping.delivery import Batch, Delivery
from local.stream_mapping.lane import Lane
from local.stream_mapping.records import lane_of, to_lambda_record
from simulation.aws.stream import STREAM_ARN
from tests.unit.stream_mapping.stream_records import numbers_of, report, stream_record

NO_RECORD = 99
KEYS = st.sampled_from("abcdef")
MAPPINGS = st.builds(
    MappingSettings,
    batch_size=st.integers(1, 12),
    parallelization_factor=st.integers(1, 3),
    maximum_retry_attempts=st.sampled_from([0, 1, 3]),
    bisect_batch_on_function_error=st.booleans(),
    report_batch_item_failures=st.booleans(),
)
# How an invocation ends when no poison decides it; a list has the places in the batch of the records it reports.
MOODS = st.sampled_from(["fine", "error", "not invoked"]) | st.lists(st.integers(0, 12), min_size=1, max_size=4)


@dataclass
class World:
    """A moody function, poisonous items, an on-failure destination; it knows what became of each record."""

    mapping: MappingSettings
    keys: dict[int, str]
    poison: set[str]
    moods: list[Any]
    invocations: int = 0
    delivered: list[int] = field(default_factory=list)
    processed: list[int] = field(default_factory=list)
    given_up: list[int] = field(default_factory=list)

    def invoke(self, event: dict[str, Any]) -> dict[str, Any] | None:
        numbers = numbers_of(event["Records"])
        assert 1 <= len(numbers) <= self.mapping.batch_size
        self._nothing_is_repeated_or_overtaken(numbers)
        mood = self.moods.pop() if self.moods else "fine"
        if mood == "not invoked":
            raise FunctionNotInvoked(mood)
        self.invocations += 1
        self.delivered += numbers
        poisonous = [number for number in numbers if self.keys[number] in self.poison]
        if mood == "error" or (poisonous and not self.mapping.report_batch_item_failures):
            raise FunctionError(mood)
        places = mood if isinstance(mood, list) else []
        reported = poisonous + [numbers[place] if place < len(numbers) else NO_RECORD for place in places]
        if not reported or not self.mapping.report_batch_item_failures:
            self.processed += numbers
        elif NO_RECORD not in reported:
            self.processed += [number for number in numbers if number < min(reported)]
        return report(*reported)

    def give_up(self, batch: Batch) -> None:
        numbers = numbers_of(batch.records)
        self.given_up += numbers
        assert batch.retries == self.mapping.maximum_retry_attempts
        assert batch.invocations > batch.retries
        if self.mapping.bisect_batch_on_function_error and not self.mapping.report_batch_item_failures:
            assert len(numbers) == 1

    def _nothing_is_repeated_or_overtaken(self, numbers: list[int]) -> None:
        done = {*self.processed, *self.given_up}
        for place, number in enumerate(numbers):
            earlier = {other for other in self.keys if other < number and self.keys[other] == self.keys[number]}
            assert number not in done
            assert earlier <= done | set(numbers[:place])


@settings(max_examples=200)
@given(MAPPINGS, st.lists(KEYS, max_size=40), st.sets(KEYS, max_size=2), st.lists(MOODS, max_size=30))
def test_every_record_is_processed_or_given_up_on_once_and_in_its_items_order(
    mapping: MappingSettings, keys: list[str], poison: set[str], moods: list[Any]
) -> None:
    nothing_fails = not poison and not moods
    world = World(mapping, dict(enumerate(keys, 1)), poison, moods)
    lanes = [Lane() for _ in range(mapping.parallelization_factor)]
    for number, key in world.keys.items():
        record = to_lambda_record(stream_record(number, key), STREAM_ARN)
        lanes[lane_of(record, len(lanes))].put([record])

    for lane in lanes:
        deliver_all(lane, world)

    assert sorted(world.processed + world.given_up) == list(world.keys)
    assert not poison & {world.keys[number] for number in world.processed}
    assert not (nothing_fails and world.given_up)
    assert world.invocations <= most_invocations(mapping, len(keys))


def deliver_all(lane: Lane, world: World) -> None:
    delivery = Delivery(world.mapping, world.invoke, world.give_up, lambda _: None)
    lane.close()
    while batch := lane.take(world.mapping.batch_size):
        delivery.deliver(batch)


def most_invocations(mapping: MappingSettings, records: int) -> int:
    """Each record can end in a batch of its own, at the cost of a split, a checkpoint and all its retries."""
    return records * (mapping.maximum_retry_attempts + 3)
