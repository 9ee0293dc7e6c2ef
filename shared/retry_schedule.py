"""When a payment that failed is tried again, and when an order comes to its end without one."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.order import Order

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
# Far longer than an invocation can last ("Lambda quotas": 15 minutes), so that no charge that began before the deadline
# is still on its way when the order ends.
CLOSING = timedelta(minutes=30)


@dataclass(frozen=True)
class RetrySchedule:
    """The backoff doubles from FIRST_RETRY to LONGEST_RETRY.

    From the deadline on nothing is charged. CLOSING later the provider is asked a last time, and the order ends.
    """

    deadline: timedelta

    def may_charge(self, order: Order, now: datetime) -> bool:
        """Whether a charge may still begin."""
        return now < order.created_at + self.deadline

    def is_over(self, order: Order, now: datetime) -> bool:
        """Whether an order that the provider did not charge has come to its end."""
        return now >= self._end(order)

    def next_attempt_at(self, order: Order, now: datetime) -> datetime:
        """Return when to try again after an attempt that failed now: never between the deadline and the order's end."""
        backoff = min(FIRST_RETRY * (1 << min(order.attempts, 10)), LONGEST_RETRY)
        next_attempt_at = now + backoff
        if next_attempt_at < order.created_at + self.deadline:
            return next_attempt_at
        return max(next_attempt_at, self._end(order))

    def _end(self, order: Order) -> datetime:
        return order.created_at + self.deadline + CLOSING
