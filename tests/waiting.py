"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

LIMIT_SECONDS, POLL_SECONDS = 60, 0.05


def eventually(
    condition: Callable[[], object], seconds: float = LIMIT_SECONDS, poll_seconds: float = POLL_SECONDS
) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"the condition did not come to hold in {seconds} s"
        time.sleep(poll_seconds)
