"""A Lambda environment: a process that imports a function and answers events, at the speed that it is given."""

import http
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

RUNTIME = Path(__file__).with_name("runtime.py")
# Lambda's own scheduler hands out CPU in slices of this length ("Configure Lambda function memory"; cgroup's cpu.max).
SLICE_SECONDS = 0.02
LAST_WORDS = 2_000


class EnvironmentFailed(Exception):
    """The process ended instead of answering, or did not do what was to be measured; the message is what it said."""


@dataclass(frozen=True)
class Answer:
    """What a function answered, and what that took."""

    seconds: float
    cpu_seconds: float
    answer: Any = None
    modules: Sequence[str] = ()
    peak_memory: int = 0  # in kilobytes
    log_bytes: int = 0


class Environment:
    """One environment of one function; it has imported it once the context begins.

    With a `share` of the CPU below 1 it is stopped for the rest of each slice. A container's quota stops it only when
    it has used its share up; so this is somewhat slower than the real thing, and works on every POSIX system.
    """

    def __init__(
        self, handler: str, folders: Sequence[Path], variables: Mapping[str, str], *, share: float = 1
    ) -> None:
        self._command = [sys.executable, "-I", "-S", "-B", str(RUNTIME), handler, *map(str, folders)]
        self._variables = {**variables, "LAMBDA_TASK_ROOT": str(folders[0])}
        self._share = share
        self._ends = threading.Event()
        self._throttle = threading.Thread(target=self._slow_down, daemon=True)

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            env=self._variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._words: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        if self._share < 1:
            self._throttle.start()
        self.started = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        if self._throttle.is_alive():
            self._throttle.join()
        self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            cast("IO[str]", pipe).close()

    def invoke(self, event: Mapping[str, Any], *, sampled: bool = False) -> Answer:
        """Have it answer an event, within a trace as Lambda begins one. An answer that tells of a failure is none."""
        trace_header = f"Root={new_trace_id()};Parent={secrets.token_hex(8)};Sampled={int(sampled)}"
        pipe = cast("IO[str]", self._process.stdin)
        with suppress(BrokenPipeError):  # it has ended, and what it said is about to be read
            pipe.write(json.dumps({"event": event, "trace_header": trace_header}) + "\n")
            pipe.flush()
        answer = self._read()
        what = answer.answer or {}
        if what.get("statusCode", 200) >= http.HTTPStatus.BAD_REQUEST or what.get("batchItemFailures"):
            raise EnvironmentFailed(f"Not done: {json.dumps(what)[:LAST_WORDS]}")
        return answer

    def _read(self) -> Answer:
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            self._listener.join()
            raise EnvironmentFailed("".join(self._words)[-LAST_WORDS:])
        return Answer(**json.loads(line))

    def _listen(self) -> None:
        self._words.extend(cast("IO[str]", self._process.stderr))

    def _slow_down(self) -> None:
        with suppress(ProcessLookupError):
            while not self._ends.is_set():
                time.sleep(SLICE_SECONDS * self._share)
                os.kill(self._process.pid, signal.SIGSTOP)
                time.sleep(SLICE_SECONDS * (1 - self._share))
                os.kill(self._process.pid, signal.SIGCONT)


def new_trace_id() -> str:
    """The id of a trace that begins now."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
