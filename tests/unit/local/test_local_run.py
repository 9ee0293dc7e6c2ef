"""What the local run prints."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.local_run import LocalRun, Ports

LINES = 2_000


def test_a_line_stays_whole_however_many_threads_say_something(capfd: pytest.CaptureFixture[str]) -> None:
    run = LocalRun(Ports(page=1, api=2, functions=3, dynamodb=4, xray=5))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as threads:
            for _ in range(LINES):
                threads.submit(run.say, "a whole line")
    finally:
        sys.setswitchinterval(interval)

    assert capfd.readouterr().out == "a whole line\n" * LINES
