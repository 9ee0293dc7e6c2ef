"""What becomes of a batch: AWS's rules for success, failure, reports, splits and retries."""

from dataclasses import replace

import pytest

from local.stream_mapping import FunctionError, FunctionNotInvoked, MappingEvent, MappingSettings
from local.stream_mapping.delivery import Batch, Delivery
from tests.unit.stream_mapping.fake_stream import AWS_DEFAULTS, FakeFunction, lambda_records, numbers_of, report

REPORTS = MappingSettings(report_batch_item_failures=True)
FAILS, AWAY = FunctionError("no"), FunctionNotInvoked("connection refused")
Case = tuple[MappingSettings, list[object], list[list[int]], list[list[int]]]


def retrying(times: int, *, reports: bool = False) -> MappingSettings:
    return MappingSettings(maximum_retry_attempts=times, report_batch_item_failures=reports)


def bisecting(retries: int, *, reports: bool = False) -> MappingSettings:
    return replace(retrying(retries, reports=reports), bisect_batch_on_function_error=True)


# By what they show: the settings, the function's answers, the batches that it gets, and those that are given up.
CASES: dict[str, Case] = {
    "a report that was not asked for is not read": (AWS_DEFAULTS, [report(1)], [[1, 2]], []),
    "a report repeats from its lowest record on": (REPORTS, [report(3, 2)], [[1, 2, 3], [2, 3]], []),
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


class Timeline:
    """A delivery that does not wait, and what came of it. The function gives these answers, and then succeeds."""

    def __init__(self, settings: MappingSettings, *answers: object) -> None:
        self.waits: list[float] = []
        self.given_up: list[list[int]] = []
        self.events: list[MappingEvent] = []
        self._answers = list(answers)
        self._function = FakeFunction(lambda _: self._respond())  # type: ignore[arg-type,return-value]
        self._delivery = Delivery(settings, self._function, self._give_up, self.waits.append, self.events.append)

    def deliver(self, *numbers: int) -> list[list[int]]:
        """Deliver a batch; returns the batches that the function got."""
        self._delivery.deliver(lambda_records(*numbers))
        return [numbers_of(records) for records in self._function.invocations]

    def _respond(self) -> object:
        answer = self._answers.pop(0) if self._answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _give_up(self, batch: Batch) -> None:
        self.given_up.append(numbers_of(batch.records))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_batch_is_delivered_split_and_given_up_by_awss_rules(case: Case) -> None:
    settings, answers, delivered, given_up = case
    delivery = Timeline(settings, *answers)

    assert delivery.deliver(*delivered[0]) == delivered
    assert delivery.given_up == given_up


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}, {"other": 1}])
def test_an_empty_or_missing_report_is_a_success(response: object) -> None:
    assert Timeline(REPORTS, response).deliver(1, 2) == [[1, 2]]


@pytest.mark.parametrize(
    "response",
    [
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": ["2"]}]},
        {"batchItemFailures": [{"identifier": f"{2:021d}"}]},
        {"batchItemFailures": 2},
        report(2, 99),
        "processed",
    ],
    ids=str,
)
def test_a_report_that_makes_no_sense_fails_the_whole_batch(response: object) -> None:
    assert Timeline(REPORTS, response).deliver(1, 2) == [[1, 2], [1, 2]]


def test_a_failed_batch_is_retried_after_longer_and_longer_waits() -> None:
    delivery = Timeline(AWS_DEFAULTS, *[FAILS] * 8)

    assert delivery.deliver(1, 2) == [[1, 2]] * 9
    assert delivery.waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]


def test_the_events_tell_what_happened_to_which_records_and_nothing_of_their_content() -> None:
    quotes_an_item = ValueError(str(lambda_records(2)))
    delivery = Timeline(bisecting(1), quotes_an_item, None, quotes_an_item, quotes_an_item)
    delivery.deliver(1, 2)

    first, second = f"{1:021d}", f"{2:021d}"
    assert delivery.events == [
        MappingEvent(f"2 record(s) {first} to {second} split in two: ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} retried (1): ValueError"),
        MappingEvent(f"1 record(s) {second} to {second} given up after 3 invocation(s): ValueError", "ERROR"),
    ]
