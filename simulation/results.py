"""What became of the orders, in numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from rich.table import Table


@dataclass(frozen=True)
class Outcome:
    """What happened in one world. The digest stands for every event of every order."""

    orders: int
    counts: Counter[str]
    faults: Counter[str]
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
    def digest(self) -> str:
        """The same for the same run, to the letter."""
        return sha256("".join(outcome.digest for outcome in self.outcomes).encode()).hexdigest()[:16]

    def tables(self) -> list[Table]:
        """Return the counts, and the faults by kind."""
        counts: Counter[str] = sum((outcome.counts for outcome in self.outcomes), Counter())
        faults: Counter[str] = sum((outcome.faults for outcome in self.outcomes), Counter())
        names = self.outcomes[0].counts
        rows = {name: f"{counts[name]:,}" for name in names}
        rows["longest wait"] = _duration(max(outcome.longest_wait for outcome in self.outcomes))
        untroubled = max(outcome.longest_untroubled_wait for outcome in self.outcomes)
        rows["longest wait without a fault"] = _duration(untroubled)
        return [_table("orders", rows), _table("faults", {name: f"{faults[name]:,}" for name in sorted(faults)})]


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def _table(title: str, rows: dict[str, str]) -> Table:
    table = Table(title, "", box=None, pad_edge=False)
    table.columns[1].justify = "right"
    for name, value in rows.items():
        table.add_row(name, value)
    return table
