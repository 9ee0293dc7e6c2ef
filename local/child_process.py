"""A process that ends with us, together with all that it started, even if we are killed."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from tools.command import CommandFailed

STOP_SECONDS = 5


class LocalRunFailed(CommandFailed):
    """A part of the local run could not start, or ended by itself. The message is for the developer."""


class ChildProcess:
    """A command in its own process group: Ctrl-C in the terminal reaches only us, and we end the parts in order.

    `output` is a file, or what takes each line.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: IO[bytes] | Callable[[str], None],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if callable(output) else output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            process_group=0,
        )
        # The kernel closes our end of this pipe when we end, even by SIGKILL. The guard then kills the group.
        self._guard = subprocess.Popen(
            ["sh", "-c", f'read -r _; kill -KILL "-{self._process.pid}"'],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        if callable(output):
            self._reader.start()

    def has_ended(self) -> bool:
        """Whether the command itself has ended. Processes that it started may still run."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """Ask the group to end, and kill what is left after STOP_SECONDS."""
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """Kill the whole group, and pass its last lines on."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        if self._reader.is_alive():
            self._reader.join()
        self._guard.kill()
        self._guard.communicate()  # closes the pipe, too

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        # Nothing is left in the group; macOS reports a zombie as PermissionError.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self, take: Callable[[str], None]) -> None:
        with cast("IO[bytes]", self._process.stdout) as output:
            for line in output:
                take(line.decode(errors="replace").rstrip())
