"""What became of the orders, in numbers, and whether all occurred that can."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from rich.table import Table

from shared.order import Status
from shared.retry_schedule import Step
from simulation.plan import CHARGE_FAILURES, RATES

FAILURES = {
    *(failure for rates in RATES.values() for failure in rates),
    *(f"charge: {failure}" for failure in CHARGE_FAILURES),
    *(f"find: {failure}" for failure in ("hangs", "slow", "unavailable")),
    *("capacity exceeded", "invocation killed", "record trimmed", "recovery run failed", "schedule off"),
}
ATTEMPTS = {
    *(f"step {step.name}" for step in Step),
    *(f"Another attempt was recorded before: {status}" for status in Status),
    *(
        "Order deferred: PENDING",
        "Order settled: PROCESSED",
        "Order settled: DECLINED",
        "Outcome not recorded: PENDING",
    ),
    *("item postponed", "ended without a payment"),
}


@dataclass(frozen=True)
class Outcome:
    """What happened in one world. The digest stands for every event of every order."""

    orders: int
    counts: Counter[str]
    attempts: Counter[str]
    failures: Counter[str]
    longest_wait: float
    longest_untroubled_wait: float
    digest: str
    broken: str | None


@dataclass(frozen=True)
class Results:
    """What happened in all worlds."""

    outcomes: Sequence[Outcome]

    @property
    def broken(self) -> str | None:
        """The first promise that was broken, with the order's history."""
        return next((outcome.broken for outcome in self.outcomes if outcome.broken), None)

    @property
    def never_occurred(self) -> list[str]:
        """What the run has not tried: kinds of failures, outcomes of attempts, and steps of the retry schedule."""
        return sorted(
            (FAILURES - _sum(outcome.failures for outcome in self.outcomes).keys())
            | (ATTEMPTS - _sum(outcome.attempts for outcome in self.outcomes).keys())
        )

    @property
    def digest(self) -> str:
        """The same for the same run, to the letter."""
        return sha256("".join(outcome.digest for outcome in self.outcomes).encode()).hexdigest()[:16]

    def tables(self) -> list[Table]:
        """Return the counts of orders, of attempts and of failures."""
        counts = _sum(outcome.counts for outcome in self.outcomes)
        rows = {name: f"{counts[name]:,}" for name in self.outcomes[0].counts}
        rows["longest wait"] = _duration(max(outcome.longest_wait for outcome in self.outcomes))
        untroubled = max(outcome.longest_untroubled_wait for outcome in self.outcomes)
        rows["longest wait without a failure"] = _duration(untroubled)
        return [
            _table("orders", rows),
            _table("attempts", _rows(_sum(outcome.attempts for outcome in self.outcomes))),
            _table("failures", _rows(_sum(outcome.failures for outcome in self.outcomes))),
        ]


def _sum(counts: Iterable[Counter[str]]) -> Counter[str]:
    return sum(counts, Counter())


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _rows(counts: Counter[str]) -> dict[str, str]:
    return {name: f"{counts[name]:,}" for name in sorted(counts)}


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(title, "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, value in rows.items():
        table.add_row(name, value)
    return table
