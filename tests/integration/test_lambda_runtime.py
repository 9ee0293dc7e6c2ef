"""The local Lambda runtime, as serverless-offline uses it: one launcher for each instance of a function."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, cast

import pytest

from local.lambda_.function_processes import FunctionProcesses
from local.lambda_.instance import HEADER_VARIABLE, MOST_AT_WORK, answer
from local.lambda_.runtime import Runtime
from local.ports import free_port
from tests.waiting import eventually
from tools.repository import ROOT

LIMIT_SECONDS = 30
SAVED_AT = 1_767_225_600 * 10**9
FUNCTIONS = """
import os, time

def show(event, context):
    print("a line")
    return {
        "event": event,
        "variable": os.environ["VARIABLE"],
        "name": context.function_name,
        "request_id": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
    }

def fail(event, context): raise ValueError("no")

def end(event, context): os._exit(0)

def tell(event, context):
    if event != "/": print("told to wait for", event)
    while not os.path.exists(event): time.sleep(0.01)
    return {"code": "0"}

def stop(event, context):
    breakpoint()
    return {"stopped": False}

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
    """The functions in a folder, their processes, and what they print."""

    folder: Path
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


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{free_port()}")  # no daemon listens there
        environment.setenv("PYTHONPATH", str(ROOT))
        environment.setenv(HEADER_VARIABLE, "")  # each invocation sets it
        environment.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        service = Service(tmp_path_factory.mktemp("repository"))
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


def test_a_function_has_its_environment_and_its_timeout(start: Start, service: Service) -> None:
    answer = start("show")({"some": "event"})

    assert answer["event"] == {"some": "event"}
    assert (answer["name"], answer["request_id"], answer["variable"]) == ("the-show", "r-1", "its own")
    assert 15_000 < answer["remaining"] <= 20_000
    eventually(lambda: "a line" in service.lines)


def test_a_handler_that_fails_is_answered_its_error(start: Start, service: Service) -> None:
    assert start("fail")() == {"errorType": "ValueError", "errorMessage": "no"}
    eventually(lambda: "ValueError: no" in service.lines)


def test_a_breakpoint_without_a_debugger_says_what_to_do(start: Start, service: Service) -> None:
    assert start("stop")() == {"stopped": False}

    line = FUNCTIONS[: FUNCTIONS.index("breakpoint()")].count("\n") + 1
    said = f"example.py:{line}: breakpoint() needs a debugger: `npm start -- --debug stop`."
    eventually(lambda: said in service.lines)


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(("debugging", "runs"), [({"is_schedule_off": True}, 1), ({}, 2)])
def test_while_a_function_is_debugged_no_schedule_starts_one(debugging: dict[str, Any], runs: int) -> None:
    events: list[object] = []
    function = {"name": "f", "memorySize": 1, "timeout": 1, **debugging}
    runtime = SimpleNamespace(function=function, handler=lambda event, _: events.append(event))

    for event in ({"source": "aws.events"}, {}):
        line = json.dumps({"event": event, "context": {"awsRequestId": "r-1"}}).encode()
        assert answer(cast("Runtime", runtime), line) == b'{"__offline_payload__": {}}\n'

    assert len(events) == runs


@pytest.mark.parametrize(("name", "times"), [("end", MOST_AT_WORK + 1), ("hang", 2)])
def test_a_process_that_ends_or_hangs_is_answered_an_error_and_replaced(start: Start, name: str, times: int) -> None:
    ask = start(name)

    answers = [ask() for _ in range(times)]

    assert [answer["errorType"] for answer in answers] == ["Runtime.ExitError"] * times


def test_saved_code_is_in_force_at_once_and_an_invocation_under_way_ends_with_the_code_of_before(
    start: Start, service: Service, tmp_path: Path
) -> None:
    busy, idle, end = start("tell"), start("tell"), tmp_path / "end"
    with ThreadPoolExecutor() as clients:
        under_way = clients.submit(busy, str(end))
        eventually(lambda: f"told to wait for {end}" in service.lines)

        for code in "12":
            service.save(FUNCTIONS.replace('{"code": "0"}', f'{{"code": "{code}"}}'))
            assert idle("/") == start("tell")("/") == {"code": code}

        end.touch()
        assert under_way.result() == {"code": "0"}
    assert busy("/") == {"code": "2"}
