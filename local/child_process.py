"""A process, and all that it starts, that ends with us, whatever ends us: Ctrl-C, a crash, even SIGKILL."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

STOP_SECONDS = 5


class LocalRunFailed(Exception):
    """A part of the local run could not start, or ended by itself; the message is for the one who started it."""


class ChildProcess:
    """A command in a process group of its own: a Ctrl-C in the terminal reaches us alone, and we end it in order."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            process_group=0,
        )
        # The kernel closes our end of this pipe when we end, in whatever way; the guard then kills the group.
        self._guard = subprocess.Popen(
            ["sh", "-c", f'read -r _; kill -KILL "-{self._process.pid}"'],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    @property
    def output(self) -> IO[bytes]:
        """What it says, when `output` was subprocess.PIPE."""
        return cast("IO[bytes]", self._process.stdout)

    def has_ended(self) -> bool:
        """Whether the command itself has ended; processes it started may still run until `stop` or `kill`."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End the whole group, by force if it does not go."""
        self._signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End the whole group at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._guard.kill()
        self._guard.communicate()  # closes the pipe, too

    def _signal(self, number: signal.Signals) -> None:
        with suppress(
            ProcessLookupError, PermissionError
        ):  # nothing left in the group; macOS says the latter of a zombie
            os.killpg(self._process.pid, number)
