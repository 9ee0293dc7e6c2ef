"""Lambda's Python runtime, as far as it matters to speed: imports a handler, then answers events, one a line.

`python -I -S -B runtime.py HANDLER FOLDER…` sees the standard library and the folders alone, and writes no bytecode, as
in Lambda. Each line of the standard input is an event; the answers go to the standard output, the function's own words
to a file, whose growth is told.
"""

import importlib
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:order-processor-bench"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def get_remaining_time_in_millis(self) -> int:
        """As at the beginning of an invocation."""
        return 30_000


def main(handler: str, folders: list[str]) -> None:
    """Say what the import took and loaded, then what each event took and was answered with."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - for as long as we run
    os.dup2(log.fileno(), sys.stdout.fileno())
    sys.path[:0] = folders

    def say(began: float, cpu_began: float, **what: object) -> None:
        took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
        json.dump(took | what, answers)
        answers.write("\n")
        answers.flush()

    before = set(sys.modules)
    began, cpu_began = time.perf_counter(), time.process_time()
    module, _, name = handler.rpartition(".")
    handle = getattr(importlib.import_module(module), name)
    say(began, cpu_began, modules=sorted(set(sys.modules) - before))
    for line in sys.stdin:
        invocation = json.loads(line)
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_header"]
        began, cpu_began = time.perf_counter(), time.process_time()
        answer = handle(invocation["event"], Context())
        sys.stdout.flush()
        say(began, cpu_began, answer=answer, peak_memory=peak_memory(), log_bytes=log.tell())
        log.seek(0)


def peak_memory() -> int:
    """The most that the process has held, in kilobytes; getrusage's begins with what its parent held before it."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
