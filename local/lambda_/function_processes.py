"""The functions' processes: started by runtime.py, and reached by serverless-offline through launcher.py."""

import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from local import serverless_yml
from local.child_process import ChildProcess, LocalRunFailed
from local.lambda_.launcher import socket_name
from tools.repository import ROOT

POLL_SECONDS = 0.05
LAUNCHER = Path(__file__).with_name("launcher.py")


class FunctionProcesses:
    """The functions of serverless.yml; `on_line` gets every line that they print.

    serverless-offline starts `bin/python3` of the environment variable VIRTUAL_ENV for each instance of a function. In
    `folder` that is the launcher.
    """

    def __init__(self, service: Mapping[str, Any], folder: Path, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        python = folder / "bin" / "python3"
        python.parent.mkdir()
        launcher = shlex.join([sys.executable, "-IS", str(LAUNCHER), str(folder)])
        python.write_text(f'#!/bin/sh\nexec {launcher} "$@"\n')
        python.chmod(0o700)
        functions = [serverless_yml.function(service, key) for key in service["functions"]]
        by_socket = {str(folder / socket_name(function["handler"])): function for function in functions}
        self._sockets = [Path(path) for path in by_socket]
        command = [sys.executable, "-m", "local.lambda_.runtime", json.dumps(by_socket)]
        shared = serverless_yml.environment_of(service["provider"]) | {"LAMBDA_TASK_ROOT": str(ROOT)}
        self._process = ChildProcess(command, output=subprocess.PIPE, environment=os.environ | shared, folder=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_it_listens(self, stop: threading.Event) -> None:
        """Wait for the runtime, which listens for each function once it has imported it."""
        while not all(path.exists() for path in self._sockets) and not stop.wait(POLL_SECONDS):
            self.check()

    def check(self) -> None:
        """Raise if their runtime has ended by itself."""
        if self._process.has_ended():
            raise LocalRunFailed("The functions' runtime has ended by itself; its output is above.")

    def kill(self) -> None:
        """Kill all processes at once."""
        self._process.kill()
        self._reader.join()

    def _read(self) -> None:
        with self._process.output as output:
            for line in output:
                self._on_line(line.decode(errors="replace").rstrip())
