"""What becomes of a batch: AWS's rules for success, failure, reports, splits and retries."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from local.stream_mapping import FunctionError, FunctionNotInvoked, MappingEvent, MappingSettings
from local.stream_mapping.delivery import Delivery
from tests.unit.stream_mapping.stream_records import lambda_records, numbers_of, report

REPORTS = MappingSettings(report_batch_item_failures=True)
FAILS, AWAY = FunctionError("no"), FunctionNotInvoked("connection refused")
Case = tuple[MappingSettings, list[Any], list[list[int]], list[list[int]]]


def retrying(times: int, *, reports: bool = False) -> MappingSettings:
    return MappingSettings(maximum_retry_attempts=times, report_batch_item_failures=reports)


def bisecting(retries: int, *, reports: bool = False) -> MappingSettings:
    return replace(retrying(retries, reports=reports), bisect_batch_on_function_error=True)


# By what they show: the settings, the function's answers, the batches that it gets, and those that are given up.
# test_stream_mapping_property.py shows from which record on a batch is repeated.
CASES: dict[str, Case] = {
    "an empty list of failures is a success": (REPORTS, [{"batchItemFailures": None}], [[1, 2]], []),
    "a report that makes no sense fails the whole batch": (
        REPORTS,
        ["processed", {"batchItemFailures": 2}, {"batchItemFailures": [{"itemIdentifier": ""}]}],
        [[1, 2]] * 4,
        [],
    ),
    "a batch is given up after its retries": (retrying(2), [FAILS] * 3, [[1, 2]] * 3, [[1, 2]]),
    "a redelivery from the checkpoint is a retry": (
        retrying(1, reports=True),
        [report(2), report(3)],
        [[1, 2, 3], [2, 3]],
        [[3]],
    ),
    "bisecting isolates the record that fails, and spends no retry": (
        bisecting(1),
        [FAILS, None, FAILS, None, FAILS, None, FAILS, FAILS],
        [[1, 2, 3, 4, 5], [1, 2], [3, 4, 5], [3], [4, 5], [4], [5], [5]],
        [[5]],
    ),
    "an error splits in halves also where failures are reported": (
        bisecting(0, reports=True),
        [FAILS],
        [[1, 2, 3, 4], [1, 2], [3, 4]],
        [],
    ),
    "a report splits at the checkpoint and spends no retry": (
        bisecting(0, reports=True),
        [report(2), report(4)],
        [[1, 2, 3, 4, 5], [2, 3, 4, 5], [4, 5]],
        [],
    ),
    "a report of the first record splits nothing off and spends a retry": (
        bisecting(1, reports=True),
        [report(1), report(1)],
        [[1, 2]] * 2,
        [[1, 2]],
    ),
    "the halves of a batch keep the retries that it had spent": (
        bisecting(1, reports=True),
        [report(1), FAILS, FAILS, FAILS],
        [[1, 2], [1, 2], [1], [2]],
        [[1], [2]],
    ),
    "an invocation that is not made spends nothing": (bisecting(0), [AWAY] * 3, [[1, 2]] * 4, []),
}


@dataclass
class Result:
    """What came of a batch."""

    delivered: list[list[int]] = field(default_factory=list)
    given_up: list[list[int]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    events: list[MappingEvent] = field(default_factory=list)


def deliver(settings: MappingSettings, answers: list[Any], numbers: list[int]) -> Result:
    """Deliver a batch to a function that gives these answers, and then succeeds."""
    result, left = Result(), iter(answers)

    def invoke(event: dict[str, Any]) -> Any:  # noqa: ANN401  # also what makes no sense
        result.delivered.append(numbers_of(event["Records"]))
        answer = next(left, None)
        if isinstance(answer, Exception):
            raise answer
        return answer

    delivery = Delivery(
        settings,
        invoke,
        give_up=lambda batch: result.given_up.append(numbers_of(batch.records)),
        wait=result.waits.append,
        on_event=result.events.append,
    )
    delivery.deliver(lambda_records(*numbers))
    return result


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_batch_is_delivered_split_and_given_up_by_awss_rules(case: Case) -> None:
    settings, answers, delivered, given_up = case

    result = deliver(settings, answers, delivered[0])

    assert (result.delivered, result.given_up) == (delivered, given_up)


def test_a_failed_batch_is_retried_after_longer_and_longer_waits() -> None:
    assert deliver(MappingSettings(), [FAILS] * 7, [1]).waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_the_events_tell_what_happened_to_which_records_and_nothing_of_their_content() -> None:
    quotes_an_item = ValueError(str(lambda_records(2)))

    result = deliver(bisecting(1), [quotes_an_item, None, quotes_an_item, quotes_an_item], [1, 2])

    first, second = f"{1:021d}", f"{2:021d}"
    assert result.events == [
        MappingEvent(f"2 record(s) {first} to {second} split in two: ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} retried (1): ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} given up after 3 invocation(s): ValueError", "ERROR"),
    ]
