"""The functions' log lines as a person reads them: one short line each."""

import json

# Fields that are shown at their own place, or not at all.
NOT_DETAILS = {
    "cold_start",
    "correlation_id",
    "exception",
    "level",
    "location",
    "message",
    "order_id",
    "service",
    "stack_trace",
    "timestamp",
    "trace_id",
    "xray_trace_id",
}


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
    if "_aws" in entry:  # "Specification: Embedded metric format", Amazon CloudWatch User Guide
        return None
    if not {"level", "message", "timestamp"} <= entry.keys():
        return line
    function = str(entry.get("function_name", "")).rpartition("-")[2] or "-"
    parts = [str(entry["timestamp"])[11:19], f"{function:14}", str(entry.get("order_id", "-")), str(entry["message"])]
    if entry["level"] != "INFO":
        parts.insert(-1, entry["level"])
    details = {
        name: value for name, value in entry.items() if name not in NOT_DETAILS and not name.startswith("function_")
    }
    return " ".join([*parts, *(f"{name}={value}" for name, value in details.items())])
