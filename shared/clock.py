"""The service's clock: one place, so that a simulation can run days in seconds."""

import time
from datetime import UTC, datetime

sleep = time.sleep


def now() -> datetime:
    """Return the time in UTC, in whole milliseconds: as exact as it is stored and shown."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return round(now().timestamp() * 1000)
