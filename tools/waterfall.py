"""Draws an order's trace as a waterfall: which part of the service worked on it, when, and for how long."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.bar import Bar
from rich.table import Table
from rich.text import Text

NUMBERS_CHARACTERS = 20
SHORTEST_BAR_CHARACTERS = 24
THINNEST_BAR_CHARACTERS = 1 / 6  # Rich draws eighths, rounded down
STREAM_WAIT, GATEWAY = "stream wait", "payment gateway"


@dataclass(frozen=True)
class Row:
    """One segment or subsegment, and how deep it is in the tree."""

    depth: int
    document: dict[str, Any]

    @property
    def start(self) -> float:
        return _start(self.document)

    @property
    def end(self) -> float:
        """Return the end; of a part in progress, which has none yet, the start."""
        return float(self.document.get("end_time", self.start))

    @property
    def style(self) -> str:
        if self.document.get("fault"):
            return "red"
        if self.document.get("error") or self.document.get("throttle"):
            return "yellow"
        return "cyan" if self.document["name"] == STREAM_WAIT else "green"

    @property
    def name(self) -> str:
        """Return the name, with the operation of an AWS service or the method of a request."""
        aws, http = self.document.get("aws", {}), self.document.get("http", {})
        does = [aws.get("operation"), aws.get("table_name")] if self.document.get("namespace") == "aws" else []
        asks = [http.get("request", {}).get("method")] if http.get("request") else []
        return " ".join([self.document["name"], *(str(word) for word in does + asks if word)])


def rows(documents: Sequence[dict[str, Any]]) -> list[Row]:
    """List the parts of a trace, each below its parent: the parent's subsegments first, then what continues from it.

    A subsegment is part of its segment's document, or a document of its own. Segments that X-Ray infers, for a service
    that sends none, are left out: they repeat the subsegment of the caller.
    """
    children: dict[str | None, list[dict[str, Any]]] = {}
    ids = {document["id"] for document in documents for document in _with_subsegments(document)}
    for document in documents:
        if not document.get("inferred"):
            parent = document.get("parent_id")
            children.setdefault(parent if parent in ids else None, []).append(document)

    def below(parent: str | None, embedded: Sequence[dict[str, Any]], depth: int) -> Iterator[Row]:
        own = [document for document in children.get(parent, []) if document.get("type") == "subsegment"]
        continuing = [document for document in children.get(parent, []) if document.get("type") != "subsegment"]
        for document in [*sorted([*own, *embedded], key=_start), *sorted(continuing, key=_start)]:
            yield Row(depth, document)
            yield from below(document["id"], document.get("subsegments", []), depth + 1)

    return list(below(None, [], 0))


def _start(document: dict[str, Any]) -> float:
    return float(document["start_time"])


def _with_subsegments(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield document
    for subsegment in document.get("subsegments", []):
        yield from _with_subsegments(subsegment)


def is_complete(documents: Sequence[dict[str, Any]], order_id: str) -> bool:
    """Whether the trace has the order from its request to its settled payment, and no part is in progress."""
    all_rows = rows(documents)
    is_settled = status(documents, order_id) != "PENDING"
    roots = [row for row in all_rows if row.depth == 0 and "parent_id" not in row.document]
    orphans = [row for row in all_rows if row.depth == 0 and "parent_id" in row.document]
    return (
        is_settled and len(roots) == 1 and not orphans and not any(row.document.get("in_progress") for row in all_rows)
    )


def status(documents: Sequence[dict[str, Any]], order_id: str) -> str:
    """Return the order's status, from the annotations of the attempts to settle it."""
    annotations = [document.get("annotations", {}) for document in documents if document.get("type") != "subsegment"]
    told = {str(each["status"]) for each in annotations if each.get("order_id") == order_id}
    return next(iter(told - {"PENDING"}), "PENDING")


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
    payments = [row for row in all_rows if row.document["name"] == GATEWAY]
    request = next(row for row in all_rows if row.depth == 0)
    parts = [f"request {_duration(request.end - request.start)}"]
    parts += [f"wait {_duration(row.end - row.start)}" for row in waits[:1]]
    parts += [f"payment {_duration(row.end - row.start)}" for row in payments[-1:]]
    parts += [f"{len(waits)} attempts"] if len(waits) > 1 else []
    return " · ".join([*parts, f"end to end {_duration(total)}"])


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _indented(characters: int, text: str, style: str) -> Text:
    """Indent a text by spaces of a style of their own: some SVG readers drop spaces at the start of a text."""
    return Text.assemble((" " * characters, "dim"), (text, style))
