"""What to do with an order that is not paid yet, and when a payment that failed is tried again."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from shared.order import Order

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
# Longer than an invocation can last: 15 minutes (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
# So no charge that began before the deadline is still under way when the order ends.
CLOSING = timedelta(minutes=30)


class Step(Enum):
    """What to do with an order now."""

    CHARGE = auto()
    ASK_THEN_CHARGE = auto()
    ASK_THEN_WAIT = auto()
    ASK_THEN_END = auto()


@dataclass(frozen=True)
class RetrySchedule:
    """The life of an order that no payment ends, by its age; `deadline` is three days in serverless.yml.

    ===================================  ===============  ==========================================================
    from                                 step             why
    ===================================  ===============  ==========================================================
    its creation                         CHARGE           An earlier delivery of its stream record may have charged
                                                          it. The provider knows the order_id for 24 hours and
                                                          charges no order twice within them.
    its due_at, 5 minutes at first       ASK_THEN_CHARGE  The stream may be a day late, so the provider may have
                                                          forgotten the order_id: charge what it does not find.
    the deadline                         ASK_THEN_WAIT    A charge that began just before may still be under way.
    30 minutes (CLOSING) after that      ASK_THEN_END     What is not paid now never will be: DECLINED.
    ===================================  ===============  ==========================================================

    Between two attempts the order waits: 30 s after the first failure, then twice as long each time, an hour at most.
    """

    deadline: timedelta

    def next_step(self, order: Order, now: datetime) -> Step:
        """Return what to do with an order now."""
        if now >= self._end(order):
            return Step.ASK_THEN_END
        if now >= order.created_at + self.deadline:
            return Step.ASK_THEN_WAIT
        if order.due_at is None or now >= order.due_at:
            return Step.ASK_THEN_CHARGE
        return Step.CHARGE

    def next_attempt_at(self, order: Order, now: datetime) -> datetime:
        """Return when to try again after an attempt that failed now: never between the deadline and the order's end."""
        backoff = min(FIRST_RETRY * (1 << min(order.attempts, 10)), LONGEST_RETRY)
        next_attempt_at = now + backoff
        if next_attempt_at < order.created_at + self.deadline:
            return next_attempt_at
        return max(next_attempt_at, self._end(order))

    def _end(self, order: Order) -> datetime:
        return order.created_at + self.deadline + CLOSING
