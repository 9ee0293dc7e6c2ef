"""Lambda's Python runtime, as far as it matters for speed: imports a handler, then answers events, one a line.

`python -I -S -B runtime.py HANDLER FOLDER…` imports from the standard library and the folders only, and writes no
bytecode, as in Lambda. Events come on standard input, answers go to standard output, and the function's log to a file.
"""

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path


class Context:
    """What Lambda tells a function about its invocation, which ends at `deadline` (time.monotonic)."""

    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    memory_limit_in_mb = 256
    invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{function_name}"
    aws_request_id = "52fdfc07-2182-454f-963f-5f0f9a621d72"

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Return how much time the invocation has left."""
        return max(round((self._deadline - time.monotonic()) * 1000), 0)


def main(handler: str, folders: list[str]) -> None:
    """Answer how long the import took, then each event's answer and what it took."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # open as long as the process lives
    os.dup2(log.fileno(), sys.stdout.fileno())
    sys.path[:0] = folders

    def answer(began: float, cpu_began: float, **fields: object) -> None:
        times = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
        answers.write(json.dumps(times | fields) + "\n")

    before = set(sys.modules)
    began, cpu_began = time.perf_counter(), time.process_time()
    module, _, name = handler.rpartition(".")
    handle = getattr(importlib.import_module(module), name)
    answer(began, cpu_began, modules=sorted(set(sys.modules) - before))
    for line in sys.stdin:
        invocation = json.loads(line)
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace_header"]
        context = Context(time.monotonic() + invocation["timeout_seconds"])
        began, cpu_began = time.perf_counter(), time.process_time()
        content = handle(invocation["event"], context)
        sys.stdout.flush()
        answer(began, cpu_began, content=content, peak_megabytes=_peak_megabytes(), log_bytes=log.tell())
        log.seek(0)


def _peak_megabytes() -> float:
    """Return the most memory that the process has held: getrusage would count its parent's, too."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
