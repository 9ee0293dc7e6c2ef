"""An order's whole trace: X-Ray's documents, and from the order's log lines whatever X-Ray lacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.tracing import segment_of_attempt
from tools.trace.rows import all_parts

Document = dict[str, Any]
NO_PARENT = "0" * 16  # joins the attempts to their request if X-Ray gave the order no place in a trace


@dataclass(frozen=True)
class OrderTrace:
    """The documents from X-Ray, and those made from log lines."""

    stored: Sequence[Document]
    logged: Sequence[Document]

    @property
    def documents(self) -> list[Document]:
        """Return all of them."""
        return [*self.stored, *self.logged]

    def sources(self, source: str) -> str:
        """Tell in a line which sources are shown. `source` is where the account keeps its traces."""
        if not self.documents:
            return f"Neither {source} nor the logs have a part of this trace."
        if not self.logged:
            return f"From {source}."
        if not self.stored:
            return f"From the logs: {source} has no part of this trace."
        shown = [f"{len(_attempts(self.logged))} of {len(_attempts(self.documents))} attempts"]
        return f"From {source}, but {' and '.join(['the request'] * _has_request(self.logged) + shown)} from the logs."


def order_trace(stored: Sequence[Document], lines: Sequence[Mapping[str, Any]], service: str) -> OrderTrace:
    """Make the segments of what only the log lines tell. `service` is the stage's, as in `order-processor-dev`."""
    known = {part["id"] for document in stored for part in all_parts(document)}
    sent = {_span(document) for document in stored}
    request = min((line for line in lines if "stored_at_ms" in line), key=_stored_at, default=None)  # others replay it
    requests = [_segment_of_request(request)] if request and _in_trace(request)["parent_id"] not in known else []
    attempts = [
        segment_of_attempt(_in_trace(line), service, f"{service}-orders") for line in lines if "recorded_at_ms" in line
    ]
    return OrderTrace(stored, [*requests, *(segment for segment in attempts if _span(segment) not in sent)])


def _segment_of_request(line: Mapping[str, Any]) -> Document:
    """Make the segment of CreateOrder. Its id is the one from which the attempts continue."""
    fields = _in_trace(line)
    return {
        "name": fields["function_name"],
        "id": fields["parent_id"],
        "trace_id": fields["trace_id"],
        "start_time": fields["received_at_ms"] / 1000,
        "end_time": fields["stored_at_ms"] / 1000,
        "http": {"request": {"method": "POST"}},
    }


def _stored_at(line: Mapping[str, Any]) -> int:
    return int(line["stored_at_ms"])


def _in_trace(line: Mapping[str, Any]) -> dict[str, Any]:
    return {"trace_id": "-", **line, "parent_id": line.get("parent_id") or NO_PARENT}


def _attempts(documents: Sequence[Document]) -> list[Document]:
    return [document for document in documents if "attempts" in document.get("annotations", {})]


def _has_request(documents: Sequence[Document]) -> bool:
    return len(_attempts(documents)) < len(documents)


def _span(document: Document) -> tuple[int, int]:
    """Return what an attempt in X-Ray and in the log have in common: when it began and ended, in milliseconds."""
    return round(document["start_time"] * 1000), round(document.get("end_time", 0) * 1000)
