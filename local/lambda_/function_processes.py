"""The functions' processes: started by runtime.py, and reached by serverless-offline through launcher.py."""

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from local import serverless_yml
from local.child_process import ChildProcess, LocalRunFailed
from local.lambda_.file_watch import FileWatch
from local.lambda_.launcher import NEW, socket_name
from tools.repository import ROOT

POLL_SECONDS = 0.05
CODE, SETTINGS = ("functions/**/*.py", "shared/**/*.py"), ("serverless.yml", "resources/*")
LAUNCHER = Path(__file__).with_name("launcher.py")
A_DAY_SECONDS = 86_400


def debug(service: Mapping[str, Any], key: str, port: int) -> None:
    """Let a function of serverless.yml be debugged, without its timeout, while no schedule starts one."""
    functions = service["functions"]
    if key not in functions:
        raise LocalRunFailed(f"--debug: expected {' or '.join(functions)}.")
    for function in functions.values():
        function["is_schedule_off"] = True
    functions[key] |= {"debug_port": port, "timeout": A_DAY_SECONDS}


class FunctionProcesses:
    """The functions of serverless.yml; `on_line` gets every line that they print. They are reloaded when they change.

    serverless-offline starts `bin/python3` of the environment variable VIRTUAL_ENV for each instance of a function. In
    `folder` that is the launcher.
    """

    def __init__(
        self,
        service: Mapping[str, Any],
        folder: Path,
        on_line: Callable[[str], None],
        root: Path = ROOT,
    ) -> None:
        self._on_line, self._root = on_line, root
        functions = [{**serverless_yml.function(service, key), "key": key} for key in service["functions"]]
        # A debugger would lose a function that is reloaded.
        is_debugging = any("debug_port" in function for function in functions)
        code, settings = ((), SETTINGS + CODE) if is_debugging else (CODE, SETTINGS)
        self._code, self._settings = FileWatch(root, *code), FileWatch(root, *settings)
        python = folder / "bin" / "python3"
        python.parent.mkdir()
        launcher = shlex.join([sys.executable, "-IS", str(LAUNCHER), str(folder)])
        python.write_text(f'#!/bin/sh\nexec {launcher} "$@"\n')
        python.chmod(0o700)
        by_socket = {str(folder / socket_name(function["handler"])): function for function in functions}
        self._sockets = [Path(path) for path in by_socket]
        self._command = [sys.executable, "-m", "local.lambda_.runtime", json.dumps(by_socket)]
        shared = serverless_yml.environment_of(service["provider"]) | {"LAMBDA_TASK_ROOT": str(root)}
        self._environment = os.environ | shared
        self._changed: set[Path] = set()
        self._replaced: list[ChildProcess] = []  # they end when their last invocation has ended
        self._in_service: ChildProcess | None = None
        self._next: ChildProcess | None = None
        self._start()

    def wait_until_it_listens(self, stop: threading.Event) -> None:
        """Wait for the runtime, which listens for each function once it has imported it."""
        while not self._take_into_service() and not stop.wait(POLL_SECONDS):
            if self._next_has_failed():
                raise LocalRunFailed("The functions cannot be imported; the reason is above.")

    def check(self) -> None:
        """Reload the functions if their code has changed. Raise if the runtime in service has ended by itself."""
        if self._in_service and self._in_service.has_ended():
            raise LocalRunFailed("The functions' runtime has ended by itself; its output is above.")
        for path in self._settings.changed():
            self._on_line(f"{path.relative_to(self._root)} has changed: end this run and start it again to use it.")
        if changed := self._code.changed():
            self._changed |= changed
            self._start()
        if self._take_into_service():
            self._on_line(f"Reloaded: {', '.join(sorted(path.name for path in self._changed))}")
            self._changed.clear()
        elif self._next_has_failed():
            self._on_line("Not reloaded: the functions stay as they were.")
        for ended in [runtime for runtime in self._replaced if runtime.has_ended()]:
            ended.kill()
            self._replaced.remove(ended)

    def kill(self) -> None:
        """Kill all processes at once."""
        for runtime in [*self._replaced, self._in_service, self._next]:
            if runtime:
                runtime.kill()

    def _start(self) -> None:
        """Start the next runtime, with the code as it is now."""
        if self._next:
            self._next.kill()
        for path in self._changed:
            # After an edit of the same size in the same second it would count as this code's bytecode (PEP 3147).
            Path(cache_from_source(str(path))).unlink(missing_ok=True)
        for path in self._sockets:
            Path(f"{path}{NEW}").unlink(missing_ok=True)
        self._next = ChildProcess(self._command, output=self._on_line, environment=self._environment, folder=self._root)

    def _take_into_service(self) -> bool:
        """Let the next runtime replace the one in service, if it listens for each function."""
        if not self._next or not all(Path(f"{path}{NEW}").exists() for path in self._sockets):
            return False
        for path in self._sockets:
            Path(f"{path}{NEW}").rename(path)  # from now on a connection is accepted
        if self._in_service:
            self._in_service.signal(signal.SIGTERM)
            self._replaced.append(self._in_service)
        self._in_service, self._next = self._next, None
        return True

    def _next_has_failed(self) -> bool:
        if not self._next or not self._next.has_ended():
            return False
        self._next.kill()
        self._next = None
        return True
