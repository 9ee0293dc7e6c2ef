"""The service's clock: one place, so that a simulation can run days in seconds."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC, in whole milliseconds: as exact as it is stored and shown."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
