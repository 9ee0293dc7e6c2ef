"""The functions' log lines by order, and which orders they have told a client to be accepted."""

import json
import re
import time
from typing import Any

REMEMBERED_ORDERS = 20_000
_ORDER_ID = re.compile(r'"order_id": ?"([0-9a-f-]{36})"')
_ACCEPTED = re.compile(r'"message": ?"Order created"')


class FunctionLogs:
    """Takes every line that a function prints; it must cost next to nothing when nobody looks."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}
        self.accepted: dict[str, float] = {}  # when, by the monotonic clock

    def add(self, line: str) -> None:
        """Keep a line that is about an order."""
        found = _ORDER_ID.search(line)
        if found is None:
            return
        self._lines.setdefault(found[1], []).append(line)
        if len(self._lines) > REMEMBERED_ORDERS:
            del self._lines[next(iter(self._lines))]
        if _ACCEPTED.search(line):
            self.accepted[found[1]] = time.monotonic()

    def of(self, order_id: str) -> list[dict[str, Any]]:
        """Return what was logged about an order, in order."""
        return [json.loads(line) for line in self._lines.get(order_id, [])]
