"""The rows of a trace's waterfall: X-Ray's documents as a tree, for `npm run trace` and for the order page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.tracing import STREAM_WAIT


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
    ids = {part["id"] for document in documents for part in all_parts(document)}
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


def all_parts(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """List a document and all subsegments in it."""
    yield document
    for subsegment in document.get("subsegments", []):
        yield from all_parts(subsegment)
