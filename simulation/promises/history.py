"""The history of an order: what is to happen to it, and what has happened."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.order import Status
from simulation.plan import Script

if TYPE_CHECKING:
    from simulation.aws.lambda_functions import Invocation
    from simulation.provider import Payment

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(eq=False)
class OrderHistory:
    """One order: what is to happen to it, and what has happened."""

    order_id: str
    created_at: float
    total: Decimal
    script: Script
    phase: str
    is_fine: bool
    due_at: float
    status: Status = Status.PENDING
    settled_at: float | None = None
    payments: "list[Payment]" = field(default_factory=list)
    charges: int = 0
    deferrals: int = 0
    reported: int = 0
    # Which runs of RecoverOrders have tried to make the next attempt, and whether one has since it is due.
    runs: int = 0
    is_waiting: bool = True
    # The invocation that settled it; whether one that wrote it did not get the answer.
    settled_by: "Invocation | None" = None
    lost_answer: bool = False
    events: list[tuple[float, str]] = field(default_factory=list)

    def note(self, now: float, event: str) -> None:
        """Add to the history."""
        self.events.append((now, event))

    def __str__(self) -> str:
        lines = (
            f"  {to_time(time).isoformat(sep=' ', timespec='milliseconds')}  {event}" for time, event in self.events
        )
        return "\n".join((f"Order {self.order_id}:", *lines))


@lru_cache(maxsize=8)
def to_time(now: float) -> datetime:
    """Return a virtual time as a date and time, in whole milliseconds as shared/clock.py has it."""
    return EPOCH + timedelta(milliseconds=int(now * 1000))


def to_seconds(timestamp: str) -> float:
    """Return a time that the service has written as a virtual time."""
    return (datetime.fromisoformat(timestamp) - EPOCH).total_seconds()
