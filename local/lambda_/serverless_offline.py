"""serverless-offline: it serves the API on this machine, and invokes the functions."""

import os
import re
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from local.child_process import ChildProcess, LocalRunFailed
from local.serverless_yml import SERVERLESS
from tools.repository import ROOT

START_SECONDS = 60
OURS = "./local/lambda_/serverless_offline.cjs"

# What it prints about each request, its start and its plugins. The functions print elsewhere.
NOISE = re.compile(
    r"""\s*$ | .*\(λ:\ \w+\) | [┌│└] | Starting\ Offline | Offline\ \[ | Function\ names\ exposed |
        \s+\*\ | Successfully\ invoked | Server\ ready | DynamoDB\ - | Skipping\ end""",
    re.VERBOSE,
)


class ServerlessOffline:
    """`serverless offline start`. Its output goes to `say` from `show` on; before that, the last lines are kept."""

    def __init__(self, *, api_port: int, lambda_port: int, virtual_env: Path, say: Callable[[str], None]) -> None:
        ports = ["--httpPort", str(api_port), "--lambdaPort", str(lambda_port)]
        # The runtime ends a function at its timeout: it knows how long the start took (local/lambda_/instance.py).
        command = [SERVERLESS, "offline", "start", "--noSponsor", "--noTimeout", "--disableCookieValidation", *ports]
        own = {"VIRTUAL_ENV": str(virtual_env), "NODE_OPTIONS": f"--require {OURS}"}
        self._api_port, self._say = api_port, say
        self._is_shown = False
        self._kept: deque[str] = deque(maxlen=30)
        self._process = ChildProcess(command, output=self._take, environment=os.environ | own, folder=ROOT)

    def wait_until_it_listens(self, stop: threading.Event) -> None:
        """Wait for the API's port; that of the functions opens before it."""
        deadline = time.monotonic() + START_SECONDS
        while not stop.wait(0.1):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._api_port), timeout=1):
                return
            self.check()
            if time.monotonic() > deadline:
                raise LocalRunFailed(f"The API did not start in {START_SECONDS} s.")

    def check(self) -> None:
        """Raise LocalRunFailed if it has ended by itself."""
        if self._process.has_ended():
            self.kill()
            self.show()
            raise LocalRunFailed("serverless-offline has ended by itself; its last output is above.")

    def show(self, *, kept: bool = True) -> None:
        """Print its output from now on, after the lines that were kept, unless `kept` is False."""
        if not kept:
            self._kept.clear()
        self._is_shown = True
        while self._kept:
            self._say(self._kept.popleft())

    def kill(self) -> None:
        """End it at once: on SIGTERM it would wait 5 s for a function that runs."""
        self._process.kill()

    def _take(self, line: str) -> None:
        if NOISE.match(line):
            return
        if self._is_shown:
            self._say(line)
        else:
            self._kept.append(line)
