"""X-Ray's rules for segment documents ("X-Ray segment documents", AWS X-Ray Developer Guide), to check what is sent."""

import json
import re
from collections.abc import Iterator
from typing import Any

LARGEST_BYTES = 64_000
NAME = re.compile(r"[\w\s.:/%&#=+\\@-]{1,200}")
ID = re.compile(r"[0-9a-f]{16}")
TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
KEY = re.compile(r"[A-Za-z0-9_]{1,500}")


def validated(text: str) -> dict[str, Any]:
    """Read a document, and check it by the rules.

    Raises
    ------
    AssertionError
    """
    assert len(text.encode()) <= LARGEST_BYTES
    document: dict[str, Any] = json.loads(text)
    assert TRACE_ID.fullmatch(document["trace_id"]), document
    if document.get("type") == "subsegment":
        assert "parent_id" in document, document
    parts = list(all_of(document))
    for part in parts:
        _check(part)
    ids = [part["id"] for part in parts]
    assert len(set(ids)) == len(ids), "an id is used twice"
    return document


def all_of(segment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A segment and all that is in it."""
    yield segment
    for subsegment in segment.get("subsegments", []):
        yield from all_of(subsegment)


def _check(part: dict[str, Any]) -> None:
    assert NAME.fullmatch(part["name"]), part
    assert ID.fullmatch(part["id"]), part
    assert ID.fullmatch(part.get("parent_id", "0" * 16)), part
    assert isinstance(part["start_time"], float), part
    assert part.get("in_progress") or part["end_time"] >= part["start_time"], part
    assert part.get("namespace", "local") in {"aws", "remote", "local"}, part
    assert all(isinstance(part.get(flag, True), bool) for flag in ("fault", "error", "throttle")), part
    annotations = part.get("annotations", {})
    assert len(annotations) <= 50, part
    assert all(KEY.fullmatch(key) for key in annotations), part
    assert all(isinstance(value, bool | int | float) or len(value) <= 1000 for value in annotations.values()), part
    for subsegment in part.get("subsegments", []):
        assert part["start_time"] <= subsegment["start_time"], part
        assert subsegment["end_time"] <= part["end_time"], part
    for exception in part.get("cause", {}).get("exceptions", []):
        assert ID.fullmatch(exception["id"]), part
