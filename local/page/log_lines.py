"""The functions' log lines: one short line each, as a person reads them; and those of each order."""

import json
import re
import time
from typing import Any

# Fields that are shown at their own place, or not at all. An attempt's times are in its trace.
_NO_DETAIL = re.compile(
    "cold_start|correlation_id|exception|level|location|message|order_id|parent_id|service|stack_trace|timestamp|"
    "(xray_)?trace_id|function_.*|.*_at_ms"
)
REMEMBERED_ORDERS = 20_000
_ORDER_ID = re.compile(r'"order_id": ?"([0-9a-f-]{36})"')
_ACCEPTED = re.compile(r'"message": ?"Order created"')


def readable(line: str) -> str | None:
    """Return a line of Powertools' Logger as its time, function, order and message; None for a metric.

    Any other line is returned unchanged.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    if "_aws" in entry:
        return None
    if not {"level", "message", "timestamp"} <= entry.keys():
        return line
    function = str(entry.get("function_name", "")).rpartition("-")[2] or "-"
    parts = [str(entry["timestamp"])[11:19], f"{function:14}", str(entry.get("order_id", "-")), str(entry["message"])]
    if entry["level"] != "INFO":
        parts.insert(-1, entry["level"])
    details = [f"{name}={value}" for name, value in entry.items() if value and not _NO_DETAIL.fullmatch(name)]
    return " ".join(parts + details)


class FunctionLogs:
    """The functions' log lines by order, and the orders that CreateOrder has logged as created."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {}
        self.accepted: dict[str, float] = {}  # when, by the monotonic clock

    def add(self, line: str) -> None:
        """Keep a line if it is about an order. It runs for every line, also when no page is open."""
        if found := _ORDER_ID.search(line):
            self.lines.setdefault(found[1], []).append(line)
            if _ACCEPTED.search(line):
                self.accepted[found[1]] = time.monotonic()
            if len(self.lines) > REMEMBERED_ORDERS:
                del self.lines[next(iter(self.lines))]

    def of(self, order_id: str) -> list[dict[str, Any]]:
        """Return the log lines of an order."""
        return [json.loads(line) for line in self.lines.get(order_id, [])]
