"""When a failed payment is tried again, and when an order ends without one."""

from datetime import UTC, datetime, timedelta

import pytest

from shared import clock
from shared.order import Order
from shared.retry_schedule import CLOSING, RetrySchedule, Step
from tests.builders import an_order

CREATED = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEADLINE = timedelta(days=3)
FIRST_DUE = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
schedule = RetrySchedule(DEADLINE)


def an_order_after(attempts: int) -> Order:
    return an_order().model_copy(update={"created_at": CREATED, "due_at": CREATED + FIRST_DUE, "attempts": attempts})


@pytest.mark.parametrize(
    ("attempts", "seconds"),
    [(0, 30), (1, 60), (2, 120), (3, 240), (4, 480), (5, 960), (6, 1920), (7, 3600), (8, 3600), (1_000_000, 3600)],
)
def test_the_backoff_doubles_from_half_a_minute_to_an_hour(attempts: int, seconds: int) -> None:
    assert schedule.next_attempt_at(an_order_after(attempts), CREATED) == CREATED + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("age", "step"),
    [
        (timedelta(), Step.CHARGE),
        (FIRST_DUE - SECOND, Step.CHARGE),
        (FIRST_DUE, Step.ASK_THEN_CHARGE),
        (DEADLINE - SECOND, Step.ASK_THEN_CHARGE),
        (DEADLINE, Step.ASK_THEN_WAIT),
        (DEADLINE + CLOSING - SECOND, Step.ASK_THEN_WAIT),
        (DEADLINE + CLOSING, Step.ASK_THEN_END),
    ],
)
def test_what_to_do_follows_from_the_order_and_the_time(age: timedelta, step: Step) -> None:
    assert schedule.next_step(an_order_after(0), CREATED + age) is step


def test_an_order_without_a_due_time_may_have_been_charged_before() -> None:
    assert schedule.next_step(an_order().model_copy(update={"due_at": None}), clock.now()) is Step.ASK_THEN_CHARGE


@pytest.mark.parametrize(
    ("failed_at", "next_attempt_at"),
    [
        (DEADLINE - 31 * SECOND, DEADLINE - SECOND),
        (DEADLINE - 30 * SECOND, DEADLINE + CLOSING),
        (DEADLINE + SECOND, DEADLINE + CLOSING),
        (DEADLINE + CLOSING - 30 * SECOND, DEADLINE + CLOSING),
        (DEADLINE + CLOSING, DEADLINE + CLOSING + 30 * SECOND),
    ],
)
def test_nothing_is_tried_between_the_deadline_and_the_end(failed_at: timedelta, next_attempt_at: timedelta) -> None:
    assert schedule.next_attempt_at(an_order_after(0), CREATED + failed_at) == CREATED + next_attempt_at
