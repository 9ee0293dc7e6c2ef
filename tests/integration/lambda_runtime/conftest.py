"""The local Lambda runtime at work, with functions that a test can tell what to do."""

import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import pytest

from local.lambda_.function_processes import FunctionProcesses
from local.lambda_.instance import HEADER_VARIABLE
from tools.repository import ROOT

LIMIT_SECONDS = 30
SAVED_AT = 1_767_225_600 * 10**9
FUNCTIONS = f"""
import os, time

def show(event, context):
    print("a line")
    return {{
        "event": event,
        "process": os.getpid(),
        "variable": os.environ["VARIABLE"],
        "header": os.environ["{HEADER_VARIABLE}"],
        "name": context.function_name,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
    }}

def fail(event, context): raise ValueError("no")

def end(event, context): os._exit(0)

def tell(event, context):
    if event != "/": print("told to wait for", event)
    while not os.path.exists(event): time.sleep(0.01)
    return {{"code": "0"}}

def stop(event, context):
    breakpoint()
    return {{"stopped": False}}

def hang(event, context):
    while True: pass
"""
NAMES = re.findall(r"def (\w+)", FUNCTIONS)
SERVICE: dict[str, Any] = {
    "provider": {"memorySize": 512, "timeout": LIMIT_SECONDS, "environment": {"VARIABLE": "of all"}},
    "functions": {name: {"name": f"the-{name}", "handler": f"functions/example.{name}"} for name in NAMES},
}
SERVICE["functions"]["show"] |= {"environment": {"VARIABLE": "its own"}, "timeout": 20}
SERVICE["functions"]["hang"]["timeout"] = 1


Start = Callable[[str], "Instance"]


class Instance:
    """An instance of a function, started as serverless-offline does."""

    def __init__(self, folder: Path, name: str) -> None:
        command = [str(folder / "bin" / "python3"), "-u", "invoke.py", "functions/example", name]
        self.launcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, event: object = None) -> dict[str, Any]:
        stdin, stdout = (cast("IO[str]", pipe) for pipe in (self.launcher.stdin, self.launcher.stdout))
        stdin.write(json.dumps({"event": event or {}, "context": {"awsRequestId": "r-1"}}) + "\n")
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())["__offline_payload__"]
        return answer


@dataclass
class Service:
    """The functions in a folder, their processes, what they print, and the X-Ray daemon that they send segments to."""

    folder: Path
    daemon: socket.socket
    lines: list[str] = field(default_factory=list)
    edits: int = 0

    def __post_init__(self) -> None:
        self.code = self.folder / "functions" / "example.py"
        self.code.parent.mkdir()
        (self.code.parent / "__init__.py").touch()
        self.code.write_text(FUNCTIONS)
        os.utime(self.code, ns=(0, SAVED_AT))
        self.processes = FunctionProcesses(SERVICE, self.folder, self.lines.append, root=self.folder)

    def save(self, text: str) -> None:
        """Save the functions, always in the same second, and wait until they are reloaded."""
        said = len(self.lines)
        self.edits += 1
        self.code.write_text(text)
        os.utime(self.code, ns=(0, SAVED_AT + self.edits))
        while "Reloaded: example.py" not in self.lines[said:]:
            self.processes.check()
            time.sleep(0.01)

    def segments(self, header: str) -> list[dict[str, Any]]:
        """Receive the segments up to that of the invocation with this trace header."""
        segments: list[dict[str, Any]] = []
        while not segments or segments[-1]["id"] not in header:
            segments.append(json.loads(self.daemon.recv(65_535).decode().partition("\n")[2]))
        return segments


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with socket.socket(type=socket.SOCK_DGRAM) as daemon, pytest.MonkeyPatch.context() as environment:
        daemon.bind(("127.0.0.1", 0))
        daemon.settimeout(LIMIT_SECONDS)
        environment.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.getsockname()[1]}")
        environment.setenv("PYTHONPATH", str(ROOT))
        environment.setenv(HEADER_VARIABLE, "")  # each invocation sets it
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        service = Service(tmp_path_factory.mktemp("repository"), daemon)
        try:
            service.processes.wait_until_it_listens(threading.Event())
            yield service
        finally:
            service.processes.kill()


@pytest.fixture
def start(service: Service) -> Iterator[Callable[[str], Instance]]:
    """Starts an instance of a function; it ends with the test."""
    started: list[Instance] = []

    def start(name: str) -> Instance:
        started.append(Instance(service.folder, name))
        return started[-1]

    yield start
    for instance in started:
        instance.launcher.kill()
        instance.launcher.communicate()
