"""The local Lambda runtime, as serverless-offline uses it: one launcher for each instance of a function."""

import json
import os
import socket
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
from local.lambda_.launcher import WARM_UP
from local.lambda_.runtime import Runtime
from tests.waiting import eventually
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

def answer_nothing(event, context): pass

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

def print_lines(event, context):
    for _ in range(2_000): print("a whole line")

def work(event, context):
    began = time.monotonic()
    time.sleep(0.1)
    return {{"began": began, "ended": time.monotonic(), "process": os.getpid()}}
"""
LAST_LINE = FUNCTIONS.count("\n") + 1
OWN_SETTINGS: dict[str, dict[str, Any]] = {
    "show": {"environment": {"VARIABLE": "its own"}, "timeout": 30},
    "tell": {"timeout": 60},
}
NAMES = ("show", "tell", "stop", "answer_nothing", "fail", "end", "hang", "print_lines", "work")
SERVICE = {
    "provider": {"memorySize": 512, "timeout": 1, "environment": {"VARIABLE": "of all"}},
    "functions": {
        name: {"name": f"the-{name}", "handler": f"functions/example.{name}", **OWN_SETTINGS.get(name, {})}
        for name in NAMES
    },
}


def version(code: str) -> str:
    """The functions with another answer of `tell`."""
    return FUNCTIONS.replace('{"code": "0"}', f'{{"code": "{code}"}}')


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

    def save(self, text: str) -> str:
        """Save the functions, always in the same second; returns what is said about reloading them."""
        said = len(self.lines)
        self.edits += 1
        self.code.write_text(text)
        os.utime(self.code, ns=(0, SAVED_AT + self.edits))
        while not any("eloaded: " in line for line in self.lines[said:]):
            self.processes.check()
            time.sleep(0.01)
        return "\n".join(self.lines[said:])

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


def test_a_function_has_its_environment_its_timeout_and_a_trace(
    start: Callable[[str], Instance], service: Service
) -> None:
    answer = start("show")({"some": "event"})

    assert answer["event"] == {"some": "event"}
    assert (answer["name"], answer["request_id"], answer["variable"]) == ("the-show", "r-1", "its own")
    assert 25_000 < answer["remaining"] <= 30_000
    segment = service.segments(answer["header"])[-1]
    assert answer["header"] == f"Root={segment['trace_id']};Parent={segment['id']};Sampled=1"
    assert (segment["name"], segment["origin"]) == ("the-show", "AWS::Lambda::Function")
    assert segment["start_time"] <= segment["end_time"]
    assert "fault" not in segment
    eventually(lambda: "a line" in service.lines)


def test_a_request_names_its_trace_and_decides_whether_it_is_sampled(
    start: Callable[[str], Instance], service: Service
) -> None:
    ask, root = start("show"), "Root=1-5759e988-bd862e3fe1be46a994272793"

    unsampled = ask({"headers": {"X-Amzn-Trace-Id": f"{root};Sampled=0"}})
    sampled = ask({"headers": {"x-amzn-trace-id": root}})

    assert unsampled["header"].split(";")[::2] == [root, "Sampled=0"]
    assert sampled["header"].split(";")[::2] == [root, "Sampled=1"]
    assert not [each for each in service.segments(sampled["header"]) if each["id"] in unsampled["header"]]
    assert unsampled["process"] == sampled["process"]


@pytest.mark.parametrize(("name", "event"), [("show", WARM_UP), ("answer_nothing", {})])
def test_a_warm_up_and_a_handler_that_returns_nothing_are_answered(
    start: Callable[[str], Instance], name: str, event: object
) -> None:
    assert start(name)(event) == {}


def test_a_handler_that_fails_is_answered_its_error_and_its_segment_is_a_fault(
    start: Callable[[str], Instance], service: Service
) -> None:
    answer, after = start("fail")(), start("show")()

    assert answer == {"errorType": "ValueError", "errorMessage": "no"}
    assert [each["name"] for each in service.segments(after["header"]) if "fault" in each] == ["the-fail"]
    eventually(lambda: "ValueError: no" in service.lines)


def test_a_breakpoint_without_a_debugger_says_what_to_do(start: Callable[[str], Instance], service: Service) -> None:
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
def test_a_process_that_ends_or_hangs_is_answered_an_error_and_replaced(
    start: Callable[[str], Instance], name: str, times: int
) -> None:
    ask = start(name)

    answers = [ask() for _ in range(times)]

    assert [answer["errorType"] for answer in answers] == ["Runtime.ExitError"] * times


def test_a_line_stays_whole_however_many_instances_print(start: Callable[[str], Instance], service: Service) -> None:
    asks = [start("print_lines") for _ in range(8)]

    with ThreadPoolExecutor(len(asks)) as clients:
        list(clients.map(lambda ask: ask(), asks))

    eventually(lambda: sum(line.count("a whole line") for line in service.lines) == 8 * 2_000)
    assert service.lines.count("a whole line") == 8 * 2_000


def test_each_instance_has_a_process_and_ten_of_a_function_work_at_the_same_time(
    start: Callable[[str], Instance],
) -> None:
    asks = [start("work") for _ in range(25)]

    with ThreadPoolExecutor(len(asks)) as clients:
        works = list(clients.map(lambda ask: ask(), asks))

    at_work = [sum(other["began"] <= work["began"] < other["ended"] for other in works) for work in works]
    assert 1 < max(at_work) <= MOST_AT_WORK == 10
    assert len({work["process"] for work in works} - {os.getpid()}) == 25


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            f"{FUNCTIONS}import json; json.loads(0)\n",
            f"functions/example.py:{LAST_LINE}: TypeError: the JSON object must",
        ),
        (
            FUNCTIONS.replace("def tell", "def say"),
            "functions.example:tell: AttributeError: module 'functions.example' has",
        ),
    ],
    ids=["error in a library", "no handler"],
)
def test_code_that_cannot_be_imported_is_named_with_its_line_and_replaces_nothing(
    start: Callable[[str], Instance], service: Service, code: str, said: str
) -> None:
    before = start("tell")("/")

    lines = service.save(code)

    assert said in lines
    assert lines.endswith("\nNot reloaded: the functions stay as they were.")
    assert start("tell")("/") == before


def test_an_invocation_under_way_ends_with_the_code_of_before(
    start: Callable[[str], Instance], service: Service, tmp_path: Path
) -> None:
    busy, idle, end = start("tell"), start("tell"), tmp_path / "end"
    before = idle("/")
    with ThreadPoolExecutor() as clients:
        under_way = clients.submit(busy, str(end))
        eventually(lambda: f"told to wait for {end}" in service.lines)

        assert service.save(version("1")) == "Reloaded: example.py"

        assert idle("/") == start("tell")("/") == {"code": "1"} != before
        end.touch()
        assert under_way.result() == before
    assert busy("/") == {"code": "1"}


def test_every_request_is_answered_while_edits_of_the_same_size_in_the_same_second_are_reloaded(
    start: Callable[[str], Instance], service: Service
) -> None:
    ask, is_over = start("tell"), threading.Event()
    before = ask("/")["code"]

    def ask_all_the_time() -> set[str]:
        known, codes = start("tell"), set()
        while not is_over.wait(0.02):
            codes |= {known("/")["code"], start("tell")("/")["code"]}
        return codes

    with ThreadPoolExecutor(1) as client:
        asking = client.submit(ask_all_the_time)
        try:
            reloaded = [service.save(version(code)) and ask("/")["code"] for code in "23"]
        finally:
            is_over.set()

    assert reloaded == ["2", "3"]
    assert asking.result() <= {before, "2", "3"}
