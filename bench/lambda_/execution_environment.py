"""An execution environment of Lambda: a process that imports a function and answers events."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self, cast

from tools.command import CommandFailed

RUNTIME = Path(__file__).with_name("runtime.py")
# Lambda grants CPU in slices of this length ("Configure Lambda function memory"; cpu.max of Linux's cgroups).
SLICE_SECONDS = 0.02
LOOK_SECONDS = 0.001
FIRST_ERROR_STATUS = 400
LAST_CHARACTERS = 2_000


class EnvironmentFailed(CommandFailed):
    """The process ended, or the function answered with a failure; the message says why."""


@dataclass(frozen=True)
class Answer:
    """What a function answered, and what that took."""

    seconds: float
    cpu_seconds: float
    content: Any = None
    modules: Sequence[str] = ()
    peak_megabytes: float = 0
    log_bytes: int = 0


class ExecutionEnvironment:
    """A process that has imported its function once the context is entered.

    With `cpu` below 1 the process is stopped, as Linux does, for the rest of each slice in which its share is used up.
    """

    def __init__(self, handler: str, folders: Sequence[Path], variables: Mapping[str, str], cpu: float = 1) -> None:
        self._command = [sys.executable, "-I", "-S", "-B", str(RUNTIME), handler, *map(str, folders)]
        of_lambda = {"LAMBDA_TASK_ROOT": str(folders[0]), "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
        self._variables = {**variables, **of_lambda}
        self._cpu = cpu
        self._ends = threading.Event()
        self._throttle = threading.Thread(target=self._slow_down)

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile("w+")  # closed with the process
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            self._command, env=self._variables, stdin=pipe, stdout=pipe, stderr=self._errors, text=True, bufsize=1
        )
        if self._cpu < 1:
            self._throttle.start()
        self.imported = self._read()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        if self._cpu < 1:
            self._throttle.join()
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def invoke(self, event: Mapping[str, Any], *, sampled: bool = False, timeout_seconds: float = 60) -> Answer:
        """Invoke the function in a new trace. It is told that it has `timeout_seconds`, but is not stopped then.

        Raises
        ------
        EnvironmentFailed
        """
        trace_header = f"Root={new_trace_id()};Parent={secrets.token_hex(8)};Sampled={int(sampled)}"
        with suppress(BrokenPipeError):  # the process has ended; _read says why
            invocation = {"event": event, "trace_header": trace_header, "timeout_seconds": timeout_seconds}
            cast("IO[str]", self._process.stdin).write(json.dumps(invocation) + "\n")
        answer = self._read()
        content = answer.content or {}
        if content.get("statusCode", 200) >= FIRST_ERROR_STATUS or content.get("batchItemFailures"):
            raise EnvironmentFailed(f"The function answered {json.dumps(content)[:LAST_CHARACTERS]}")
        return answer

    def _read(self) -> Answer:
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            self._errors.seek(0)
            raise EnvironmentFailed(self._errors.read()[-LAST_CHARACTERS:])
        return Answer(**json.loads(line))

    def _slow_down(self) -> None:
        cpu_clock = ~self._process.pid << 3 | 2  # clock_getcpuclockid(3) of Linux
        share = SLICE_SECONDS * self._cpu
        debt = 0.0  # what it used beyond its share before it was stopped
        with suppress(ProcessLookupError, OSError):
            while not self._ends.is_set():
                ends, began = time.monotonic() + SLICE_SECONDS, time.clock_gettime(cpu_clock) - debt
                while (left := ends - time.monotonic()) > 0:
                    if time.clock_gettime(cpu_clock) - began < share:
                        time.sleep(LOOK_SECONDS)
                        continue
                    os.kill(self._process.pid, signal.SIGSTOP)
                    time.sleep(left)
                    os.kill(self._process.pid, signal.SIGCONT)
                debt = max(time.clock_gettime(cpu_clock) - began - share, 0)


def new_trace_id() -> str:
    """Return the id of a trace that starts now."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
