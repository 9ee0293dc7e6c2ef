"""The benchmark's tables: what was measured, its ratio to what it is compared with, and the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

# Longer bars are cut here, so that the short ones can be compared.
LONGEST_BAR = 5
BAR_CHARACTERS = 20
MILLISECONDS_BELOW = 0.01


@dataclass(frozen=True)
class Figure:
    """What was measured several times, in seconds, and what each time is compared with: mostly one beside it.

    Two that are measured one after the other share the machine's speed, which on many changes from minute to minute.
    """

    name: str
    seconds: Sequence[float]
    references: Sequence[float]
    target: float | None = None

    @property
    def ratio(self) -> float:
        """Return the median of the ratios."""
        return median(time / reference for time, reference in zip(self.seconds, self.references, strict=True))


def table(title: str, figures: Sequence[Figure]) -> Table:
    """Draw the figures with a bar for each ratio."""
    result = Table(title=title, title_justify="left", title_style="bold")
    result.add_column("", width=40)
    for name, width in (("median", 8), ("middle half", 17), ("ratio", 5), ("target", 9)):
        result.add_column(name, justify="right", width=width)
    result.add_column(f"0 … {LONGEST_BAR}", width=BAR_CHARACTERS)
    for figure in figures:
        low, middle, high = quantiles(figure.seconds, n=4, method="inclusive")
        colour, target = _judge(figure)
        result.add_row(
            figure.name,
            duration(middle),
            f"{duration(low)}-{duration(high)}",
            f"{figure.ratio:.2f}",
            Text(target, style=colour),
            Bar(LONGEST_BAR, 0, min(figure.ratio, LONGEST_BAR), width=BAR_CHARACTERS, color=colour),
        )
    return result


def duration(seconds: float) -> str:
    """Write seconds for people."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= MILLISECONDS_BELOW else f"{seconds * 1000:.2f} ms"


def _judge(figure: Figure) -> tuple[str, str]:
    if figure.target is None:
        return "bright_black", ""
    is_met = figure.ratio <= figure.target
    return ("green" if is_met else "red"), f"≤ {figure.target:.2f} {'✓' if is_met else '✗'}"
