"""X-Ray's rules for segment documents ("X-Ray segment documents", AWS X-Ray Developer Guide), to check what is sent."""

import json
import re
from typing import Any

from tools.trace.rows import all_parts

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
    assert document.get("type") != "subsegment" or "parent_id" in document, document
    parts = list(all_parts(document))
    for part in parts:
        _check(part)
    assert len({part["id"] for part in parts}) == len(parts), "an id is used twice"
    return document


def _check(part: dict[str, Any]) -> None:
    assert NAME.fullmatch(part["name"]), part
    assert all(ID.fullmatch(part[name]) for name in ("id", "parent_id") if name in part), part
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
    assert all(ID.fullmatch(exception["id"]) for exception in part.get("cause", {}).get("exceptions", [])), part
