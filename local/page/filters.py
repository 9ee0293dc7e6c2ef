"""How the page's templates write values."""

import json
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.order import NewOrder


def clock(time: float | str) -> str:
    """Write the time of day of an epoch, or of a timestamp as our items or Powertools' Logger have it."""
    moment = datetime.fromisoformat(time) if isinstance(time, str) else datetime.fromtimestamp(time).astimezone()
    return moment.astimezone().strftime("%H:%M:%S.%f")[:-3]


def duration(seconds: float) -> str:
    """Write seconds in three digits or so."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def pretty(value: object) -> str:
    """Write JSON as a person reads it. Numbers that DynamoDB stores are Decimals; ours are whole."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=int)


def curl(item: Mapping[str, Any], url: str, key: str | None) -> str:
    """Write the shell command of an order's request."""
    content = {name: item[name] for name in NewOrder.model_fields if name in item}
    headers = ["Content-Type: application/json", *([f"Idempotency-Key: {key}"] if key else [])]
    options = [word for header in headers for word in ("-H", header)]
    return shlex.join(["curl", "-i", url, *options, "-d", json.dumps(content, ensure_ascii=False, default=int)])
