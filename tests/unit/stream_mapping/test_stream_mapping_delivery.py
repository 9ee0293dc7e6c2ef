"""What becomes of a batch: AWS's rules for success, failure, reports, splits and retries."""

from collections.abc import Callable
from typing import Any

import pytest

from local.stream_mapping import FunctionError, FunctionNotInvoked, MappingEvent, MappingSettings
from local.stream_mapping.delivery import Batch, Delivery
from tests.unit.stream_mapping.fake_stream import AWS_DEFAULTS, FakeFunction, lambda_records, numbers_of, report


class Timeline:
    """A delivery that does not wait, and what came of it."""

    def __init__(self, respond: Callable[[list[int]], object], settings: MappingSettings = AWS_DEFAULTS) -> None:
        self.waits: list[float] = []
        self.given_up: list[list[int]] = []
        self.function = FakeFunction(lambda event: respond(numbers_of(event["Records"])))  # type: ignore[arg-type,return-value]
        self.events: list[MappingEvent] = []
        self._delivery = Delivery(settings, self.function, self._give_up, self.waits.append, self.events.append)

    def deliver(self, *numbers: int) -> list[list[int]]:
        """Deliver a batch; returns the batches that the function got."""
        self._delivery.deliver(lambda_records(*numbers))
        return [numbers_of(records) for records in self.function.invocations]

    def _give_up(self, batch: Batch) -> None:
        self.given_up.append(numbers_of(batch.records))


def failing_on(*poison: int) -> Callable[[list[int]], None]:
    """A function that fails with every batch that holds one of these records."""

    def respond(numbers: list[int]) -> None:
        if set(poison) & set(numbers):
            raise FunctionError("poison")

    return respond


def reporting(*poison: int) -> Callable[[list[int]], dict[str, Any]]:
    """A function that reports those of these records that it gets."""
    return lambda numbers: report(*(number for number in numbers if number in poison))


def answering(*responses: object) -> Callable[[list[int]], object]:
    """A function that answers so, one after the other, and then succeeds."""
    left = list(responses)

    def respond(_: list[int]) -> object:
        response = left.pop(0) if left else None
        if isinstance(response, Exception):
            raise response
        return response

    return respond


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}])
def test_an_empty_or_missing_report_is_a_success(response: object) -> None:
    delivery = Timeline(answering(response), MappingSettings(report_batch_item_failures=True))

    assert delivery.deliver(1, 2) == [[1, 2]]


def test_everything_from_the_lowest_reported_record_on_is_delivered_again() -> None:
    delivery = Timeline(answering(report(4, 3)), MappingSettings(report_batch_item_failures=True))

    assert delivery.deliver(1, 2, 3, 4, 5) == [[1, 2, 3, 4, 5], [3, 4, 5]]


def test_a_report_is_not_read_unless_the_mapping_asks_for_it() -> None:
    delivery = Timeline(answering(report(1)))

    assert delivery.deliver(1, 2) == [[1, 2]]


@pytest.mark.parametrize(
    "response",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemIdentifier": 2}]},
        {"batchItemFailures": [{"itemIdentifier": ["2"]}]},
        {"batchItemFailures": [{"identifier": f"{2:021d}"}]},
        {"batchItemFailures": [f"{2:021d}"]},
        {"batchItemFailures": {"itemIdentifier": f"{2:021d}"}},
        {"batchItemFailures": 2},
        {"batchItemFailures": [*report(2)["batchItemFailures"], *report(99)["batchItemFailures"]]},
        [1],
        "processed",
    ],
    ids=str,
)
def test_a_report_that_makes_no_sense_fails_the_whole_batch(response: object) -> None:
    delivery = Timeline(answering(response), MappingSettings(report_batch_item_failures=True))

    assert delivery.deliver(1, 2) == [[1, 2], [1, 2]]


def test_a_failed_batch_is_retried_after_longer_and_longer_waits() -> None:
    delivery = Timeline(answering(*[FunctionError("no")] * 8))

    assert delivery.deliver(1, 2) == [[1, 2]] * 9
    assert delivery.waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_a_batch_is_given_up_on_when_its_retries_are_exhausted() -> None:
    delivery = Timeline(failing_on(2), MappingSettings(maximum_retry_attempts=2))

    assert delivery.deliver(1, 2, 3) == [[1, 2, 3]] * 3
    assert delivery.given_up == [[1, 2, 3]]


def test_without_retries_a_failed_batch_is_given_up_on_at_once() -> None:
    delivery = Timeline(failing_on(1), MappingSettings(maximum_retry_attempts=0))

    assert delivery.deliver(1) == [[1]]
    assert delivery.given_up == [[1]]


def test_only_what_was_not_processed_is_given_up_on() -> None:
    delivery = Timeline(reporting(2), MappingSettings(report_batch_item_failures=True, maximum_retry_attempts=2))

    assert delivery.deliver(1, 2, 3) == [[1, 2, 3], [2, 3], [2, 3]]
    assert delivery.given_up == [[2, 3]]


def test_a_redelivery_from_the_checkpoint_is_a_retry() -> None:
    delivery = Timeline(
        answering(report(2), report(3)), MappingSettings(report_batch_item_failures=True, maximum_retry_attempts=1)
    )

    assert delivery.deliver(1, 2, 3) == [[1, 2, 3], [2, 3]]
    assert delivery.given_up == [[3]]


def test_bisecting_isolates_the_record_that_fails() -> None:
    delivery = Timeline(failing_on(3), MappingSettings(bisect_batch_on_function_error=True, maximum_retry_attempts=1))

    assert delivery.deliver(1, 2, 3, 4) == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [3], [4]]
    assert delivery.given_up == [[3]]


def test_bisecting_spends_no_retry() -> None:
    delivery = Timeline(failing_on(5), MappingSettings(bisect_batch_on_function_error=True, maximum_retry_attempts=0))

    assert delivery.deliver(1, 2, 3, 4, 5) == [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5], [4], [5]]
    assert delivery.given_up == [[5]]
    assert delivery.waits == []


def test_an_error_splits_the_batch_in_halves_whether_or_not_failures_are_reported() -> None:
    settings = MappingSettings(bisect_batch_on_function_error=True, report_batch_item_failures=True)
    delivery = Timeline(answering(FunctionError("no")), settings)

    assert delivery.deliver(1, 2, 3, 4) == [[1, 2, 3, 4], [1, 2], [3, 4]]


def test_a_report_splits_the_batch_at_the_checkpoint_and_spends_no_retry() -> None:
    settings = MappingSettings(
        bisect_batch_on_function_error=True, report_batch_item_failures=True, maximum_retry_attempts=0
    )
    delivery = Timeline(answering(report(2), report(4)), settings)

    assert delivery.deliver(1, 2, 3, 4, 5) == [[1, 2, 3, 4, 5], [2, 3, 4, 5], [4, 5]]
    assert delivery.given_up == []


def test_a_report_of_the_first_record_splits_nothing_off_and_spends_a_retry() -> None:
    settings = MappingSettings(
        bisect_batch_on_function_error=True, report_batch_item_failures=True, maximum_retry_attempts=1
    )
    delivery = Timeline(reporting(2), settings)

    assert delivery.deliver(1, 2, 3) == [[1, 2, 3], [2, 3], [2, 3]]
    assert delivery.given_up == [[2, 3]]


def test_the_halves_of_a_split_batch_keep_the_retries_it_had_spent() -> None:
    settings = MappingSettings(
        bisect_batch_on_function_error=True, report_batch_item_failures=True, maximum_retry_attempts=1
    )
    delivery = Timeline(answering(report(1), FunctionError("no"), FunctionError("no"), FunctionError("no")), settings)

    assert delivery.deliver(1, 2) == [[1, 2], [1, 2], [1], [2]]
    assert delivery.given_up == [[1], [2]]


def test_a_function_that_cannot_be_invoked_spends_no_retry_and_splits_nothing() -> None:
    away = [FunctionNotInvoked("connection refused")] * 3
    delivery = Timeline(
        answering(*away), MappingSettings(maximum_retry_attempts=0, bisect_batch_on_function_error=True)
    )

    assert delivery.deliver(1, 2) == [[1, 2]] * 4
    assert delivery.given_up == []


def test_the_events_tell_what_happened_to_which_records_and_nothing_of_their_content() -> None:
    def fail(numbers: list[int]) -> None:
        if 2 in numbers:
            raise ValueError(str(lambda_records(2)))

    delivery = Timeline(fail, MappingSettings(maximum_retry_attempts=1, bisect_batch_on_function_error=True))
    delivery.deliver(1, 2)

    first, second = f"{1:021d}", f"{2:021d}"
    assert delivery.events == [
        MappingEvent(f"2 record(s) {first} to {second} split in two: ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} retried (1): ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} given up after 3 invocation(s): ValueError", "ERROR"),
    ]
