"""What was measured: medians, ratios with their spread, and the table and picture that show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Self

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

# Bars end here, so that the usual implementations, a hundred times slower, leave the others something to see.
LONGEST_BAR = 5
BAR_WIDTH = 30


@dataclass(frozen=True)
class Spread:
    """A median, and the half of the values that is around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of what was measured several times."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    @classmethod
    def of_ratios(cls, values: Sequence[float], references: Sequence[float]) -> Self:
        """Of what was measured in turns: each value is compared with the reference of its own turn."""
        return cls.of([value / reference for value, reference in zip(values, references, strict=True)])


@dataclass(frozen=True)
class Row:
    """One line: what was measured, in seconds, as a ratio, and what that ratio should be at most."""

    what: str
    seconds: float
    ratio: Spread
    target: float | None = None


@dataclass(frozen=True)
class Section:
    """Measurements with one reference, which their ratios are of."""

    title: str
    rows: Sequence[Row]


def speed_table(sections: Sequence[Section]) -> Table:
    """The table, with a bar for each ratio."""
    table = Table(title="How fast", title_justify="left", title_style="bold", expand=False)
    for name in ("measured", "median"):
        table.add_column(name, justify="left" if name == "measured" else "right")
    table.add_column("ratio", justify="right")
    table.add_column("middle half", justify="right", style="dim")
    table.add_column("target", justify="right")
    table.add_column(f"0 … {LONGEST_BAR}", width=BAR_WIDTH)
    for section in sections:
        table.add_section()
        table.add_row(Text(section.title, style="bold"))
        for row in section.rows:
            table.add_row(
                f"  {row.what}",
                duration(row.seconds),
                f"{row.ratio.median:.2f}",
                f"{row.ratio.low:.2f}-{row.ratio.high:.2f}" if row.ratio.high > row.ratio.low else "",
                _judged(row),
                Bar(LONGEST_BAR, 0, min(row.ratio.median, LONGEST_BAR), width=BAR_WIDTH, color=_colour(row)),
            )
    return table


def duration(seconds: float) -> str:
    """Seconds as one reads them."""
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2f} ms"  # noqa: PLR2004


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many per cent do not exceed."""
    return sorted(values)[min(len(values) * percent // 100, len(values) - 1)]


def _judged(row: Row) -> Text:
    if row.target is None:
        return Text()
    is_met = row.ratio.median <= row.target
    return Text(f"≤ {row.target:.2f} {'✓' if is_met else '✗'}", style="green" if is_met else "red")


def _colour(row: Row) -> str:
    if row.target is None:
        return "bright_black"
    return "green" if row.ratio.median <= row.target else "red"
