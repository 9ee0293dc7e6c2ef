"""Draws an order's trace as a waterfall: which part of the service worked on it, when, and for how long."""

from collections.abc import Sequence
from typing import Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

from shared.tracing import PROVIDER, STREAM_WAIT
from tools.trace.rows import Row, rows

NUMBERS_CHARACTERS = 20
SHORTEST_BAR_CHARACTERS = 24
THINNEST_BAR_CHARACTERS = 1 / 6  # Rich draws eighths, rounded down
# The unit of a duration shorter than so many seconds, and how it is written.
UNITS = [(1, 0.001, ".0f", "ms"), (100, 1, ".2f", "s"), (7_200, 60, ".0f", "min"), (172_800, 3_600, ".1f", "h")]


def is_complete(documents: Sequence[dict[str, Any]], order_id: str) -> bool:
    """Whether the trace has the order from its request to its settled payment, and all attempts to pay."""
    all_rows = rows(documents)
    attempts = _annotations(documents, order_id)
    failed = {int(each.get("attempts", 0)) for each in attempts if each["status"] == "PENDING"}
    # The attempt that settled the order tells how many had failed.
    is_settled = any(
        each["status"] != "PENDING" and failed >= set(range(1, int(each.get("attempts", 0)) + 1)) for each in attempts
    )
    roots = [row for row in all_rows if row.depth == 0 and "parent_id" not in row.document]
    orphans = [row for row in all_rows if row.depth == 0 and "parent_id" in row.document]
    return (
        is_settled and len(roots) == 1 and not orphans and not any(row.document.get("in_progress") for row in all_rows)
    )


def status(documents: Sequence[dict[str, Any]], order_id: str) -> str:
    """Return the order's status, from the annotations of the attempts to settle it."""
    told = {str(each["status"]) for each in _annotations(documents, order_id)}
    return next(iter(told - {"PENDING"}), "PENDING")


def _annotations(documents: Sequence[dict[str, Any]], order_id: str) -> list[dict[str, Any]]:
    """List the annotations of the attempts to pay for the order."""
    annotations = [document.get("annotations", {}) for document in documents if document.get("type") != "subsegment"]
    return [each for each in annotations if each.get("order_id") == order_id]


def draw(title: str, documents: Sequence[dict[str, Any]], width: int) -> Table:
    """Draw the waterfall, `width` characters wide."""
    all_rows = rows(documents)
    longest_name = max(2 * row.depth + len(row.name) for row in all_rows)
    bar_characters = max(width - longest_name - NUMBERS_CHARACTERS, SHORTEST_BAR_CHARACTERS)
    name_characters = width - bar_characters - NUMBERS_CHARACTERS
    first = min(row.start for row in all_rows)
    total = max(max(row.end for row in all_rows) - first, 0.001)
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, caption_justify="left"
    )
    table.caption = f"{_totals(all_rows, total)}\ntrace {documents[0]['trace_id']}"
    table.add_column("", no_wrap=True, width=name_characters)
    table.add_column("start", justify="right", no_wrap=True, width=7)
    table.add_column("took", justify="right", no_wrap=True, width=7)
    table.add_column(f"0{_duration(total):>{bar_characters - 1}}", no_wrap=True, width=bar_characters)
    for row in all_rows:
        name = _indented(2 * row.depth, row.name, row.style if row.style in {"red", "yellow"} else "")
        thinnest = total / bar_characters * THINNEST_BAR_CHARACTERS
        start = min(row.start - first, total - thinnest)
        bar = Bar(total, start, max(row.end - first, start + thinnest), color=row.style)
        table.add_row(name, _duration(row.start - first), _duration(row.end - row.start), bar)
    return table


def _totals(all_rows: Sequence[Row], total: float) -> str:
    """Write how long the request, the first wait in the stream, the last payment and the whole took."""
    waits = [row for row in all_rows if row.document["name"] == STREAM_WAIT]
    payments = [row for row in all_rows if row.document["name"] == PROVIDER]
    request = next(row for row in all_rows if row.depth == 0)
    parts = [f"request {_duration(request.end - request.start)}"]
    parts += [f"wait {_duration(row.end - row.start)}" for row in waits[:1]]
    parts += [f"payment {_duration(row.end - row.start)}" for row in payments[-1:]]
    parts += [f"{len(waits)} attempts"] if len(waits) > 1 else []
    return " · ".join([*parts, f"end to end {_duration(total)}"])


def _duration(seconds: float) -> str:
    below = (f"{seconds / unit:{digits}} {name}" for limit, unit, digits, name in UNITS if seconds < limit)
    return next(below, f"{seconds / 86_400:.2f} d")


def _indented(characters: int, text: str, style: str) -> Text:
    """Indent a text by spaces of a style of their own: some SVG readers drop spaces at the start of a text."""
    return Text.assemble((" " * characters, "dim"), (text, style))
