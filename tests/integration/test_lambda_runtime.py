"""The local Lambda runtime, as serverless-offline uses it: one launcher for each instance of a function."""

import itertools
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.lambda_.function_processes import FunctionProcesses
from local.lambda_.instance import HEADER_VARIABLE, MOST_AT_WORK, answer
from local.lambda_.launcher import WARM_UP
from local.lambda_.runtime import Runtime
from tests.waiting import eventually
from tools.repository import ROOT

LIMIT_SECONDS = 30
TIMEOUT_SECONDS = 1
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
    print("told to wait for", event)
    while not os.path.exists(event): time.sleep(0.01)
    return {{"code": "old"}}

def stop(event, context):
    breakpoint()
    return {{"stopped": False}}

def hang(event, context):
    while True: pass

def print_lines(event, context):
    for _ in range(5_000): print("a whole line")

def work(event, context):
    began = time.monotonic()
    time.sleep(0.1)
    return {{"began": began, "ended": time.monotonic()}}
"""
LAST_LINE = FUNCTIONS.count("\n") + 1
NEW_FUNCTIONS = FUNCTIONS.replace('"old"', '"new"')

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of an X-Ray daemon."""
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(LIMIT_SECONDS)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listener.getsockname()[1]}")
        yield listener


@pytest.fixture
def lines() -> list[str]:
    """What the functions print."""
    return []


@pytest.fixture
def functions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: socket.socket, lines: list[str]
) -> Iterator[FunctionProcesses]:
    """A running runtime, with functions that a test can tell what to do."""
    assert daemon
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "__init__.py").touch()
    (tmp_path / "functions" / "example.py").write_text(FUNCTIONS)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    names = ("show", "tell", "stop", "answer_nothing", "fail", "end", "hang", "print_lines", "work")
    service = {
        "provider": {"memorySize": 512, "timeout": TIMEOUT_SECONDS, "environment": {"VARIABLE": "of all"}},
        "functions": {name: {"name": f"the-{name}", "handler": f"functions/example.{name}"} for name in names}
        | {
            "show": {
                "name": "the-show",
                "handler": "functions/example.show",
                "environment": {"VARIABLE": "its own"},
                "timeout": 30,
            },
            "tell": {"name": "the-tell", "handler": "functions/example.tell", "timeout": 60},
        },
    }
    functions = FunctionProcesses(service, tmp_path, lines.append, root=tmp_path)
    try:
        functions.wait_until_it_listens(threading.Event())
        yield functions
    finally:
        functions.kill()


@pytest.fixture
def instance(functions: FunctionProcesses, tmp_path: Path) -> Iterator[Callable[[str], Ask]]:
    """Starts an instance of a function, as serverless-offline does; returns what sends it an event."""
    assert functions
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> Ask:
        command = [str(tmp_path / "bin" / "python3"), "-u", "invoke.py", "functions/example", name]
        launcher = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert launcher.stdin
        assert launcher.stdout
        stdin, stdout = launcher.stdin, launcher.stdout
        started.append(launcher)

        def ask(event: object) -> dict[str, Any]:
            stdin.write(json.dumps({"event": event, "context": {"awsRequestId": "r-1"}}) + "\n")
            stdin.flush()
            answer: dict[str, Any] = json.loads(stdout.readline())["__offline_payload__"]
            return answer

        return ask

    yield start
    for launcher in started:
        launcher.kill()
        launcher.communicate()


def test_a_function_has_its_environment_its_timeout_and_a_trace(
    instance: Callable[[str], Ask], daemon: socket.socket, lines: list[str]
) -> None:
    answer = instance("show")({"some": "event"})

    assert answer["event"] == {"some": "event"}
    assert (answer["name"], answer["request_id"], answer["variable"]) == ("the-show", "r-1", "its own")
    assert 25_000 < answer["remaining"] <= 30_000
    segment = json.loads(daemon.recv(65_535).decode().partition("\n")[2])
    assert answer["header"] == f"Root={segment['trace_id']};Parent={segment['id']};Sampled=1"
    assert (segment["name"], segment["origin"]) == ("the-show", "AWS::Lambda::Function")
    assert segment["start_time"] <= segment["end_time"]
    assert "fault" not in segment
    eventually(lambda: "a line" in lines)


def test_a_request_names_its_trace_and_decides_whether_it_is_sampled(
    instance: Callable[[str], Ask], daemon: socket.socket
) -> None:
    ask, root = instance("show"), "Root=1-5759e988-bd862e3fe1be46a994272793"

    sampled = ask({"headers": {"x-amzn-trace-id": root}})["header"]
    unsampled = ask({"headers": {"X-Amzn-Trace-Id": f"{root};Sampled=0"}})["header"]

    assert (sampled.split(";")[0], sampled.split(";")[2]) == (root, "Sampled=1")
    assert (unsampled.split(";")[0], unsampled.split(";")[2]) == (root, "Sampled=0")
    assert json.loads(daemon.recv(65_535).decode().partition("\n")[2])["id"] in sampled
    daemon.settimeout(0)
    with pytest.raises(BlockingIOError):
        daemon.recv(1)


def test_an_instance_keeps_its_process_and_traces_each_invocation(instance: Callable[[str], Ask]) -> None:
    ask = instance("show")

    first, second = ask({}), ask({})

    assert first["process"] == second["process"] != instance("show")({})["process"]
    assert first["header"] != second["header"]


def test_a_warm_up_does_not_invoke_the_handler(instance: Callable[[str], Ask]) -> None:
    assert instance("show")(WARM_UP) == {}


def test_a_handler_that_returns_nothing_is_answered(instance: Callable[[str], Ask]) -> None:
    assert instance("answer_nothing")({}) == {}


def test_a_handler_that_fails_is_answered_its_error_and_its_segment_is_a_fault(
    instance: Callable[[str], Ask], daemon: socket.socket, lines: list[str]
) -> None:
    answer = instance("fail")({})

    assert answer == {"errorType": "ValueError", "errorMessage": "no"}
    assert json.loads(daemon.recv(65_535).decode().partition("\n")[2])["fault"] is True
    eventually(lambda: "ValueError: no" in lines)


@pytest.fixture
def save(functions: FunctionProcesses, tmp_path: Path, lines: list[str]) -> Callable[[str], str]:
    """Save the functions, in the second in which they were saved first; returns what is said about reloading them."""
    code = tmp_path / "functions" / "example.py"
    saved_at = itertools.count(code.stat().st_mtime_ns // 10**9 * 10**9)

    def save(text: str) -> str:
        said = len(lines)
        code.write_text(text)
        os.utime(code, ns=(0, next(saved_at)))
        while not any("eloaded: " in line for line in lines[said:]):
            functions.check()
            time.sleep(0.01)
        # A line of an instance may come after its answer.
        return "\n".join(line for line in lines[said:] if not line.startswith("told to wait for "))

    return save


def test_an_invocation_under_way_ends_with_the_code_of_before(
    instance: Callable[[str], Ask], save: Callable[[str], str], tmp_path: Path, lines: list[str]
) -> None:
    busy, idle, end = instance("tell"), instance("tell"), tmp_path / "end"
    assert idle("/") == {"code": "old"}
    with ThreadPoolExecutor() as clients:
        under_way = clients.submit(busy, str(end))
        eventually(lambda: f"told to wait for {end}" in lines)

        assert save(NEW_FUNCTIONS) == "Reloaded: example.py"

        assert idle("/") == instance("tell")("/") == {"code": "new"}
        end.touch()
        assert under_way.result() == {"code": "old"}
    assert busy("/") == {"code": "new"}


def test_an_edit_of_the_same_size_in_the_same_second_is_reloaded(
    instance: Callable[[str], Ask], save: Callable[[str], str]
) -> None:
    ask = instance("tell")
    codes = [ask("/")["code"]]

    for code in ("new", "NEW"):
        save(FUNCTIONS.replace('"old"', f'"{code}"'))
        codes.append(ask("/")["code"])

    assert codes == ["old", "new", "NEW"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (f"{FUNCTIONS}number = 1 +\n", f"functions/example.py:{LAST_LINE}: SyntaxError: invalid syntax"),
        (
            f"{FUNCTIONS}import json; json.loads(0)\n",
            f"functions/example.py:{LAST_LINE}: TypeError: the JSON object must",
        ),
        (f"{FUNCTIONS}raise SystemExit\n", f"functions/example.py:{LAST_LINE}: SystemExit:"),
        (
            FUNCTIONS.replace("def tell", "def say"),
            "functions.example:tell: AttributeError: module 'functions.example' has",
        ),
    ],
    ids=["syntax", "error in a library", "exit", "no handler"],
)
def test_code_that_cannot_be_imported_is_named_with_its_line_and_replaces_nothing(
    instance: Callable[[str], Ask], save: Callable[[str], str], code: str, said: str
) -> None:
    lines = save(code)

    assert said in lines
    assert lines.endswith("\nNot reloaded: the functions stay as they were.")
    assert instance("tell")("/") == {"code": "old"}
    assert save(NEW_FUNCTIONS) == "Reloaded: example.py"
    assert instance("tell")("/") == {"code": "new"}


def test_every_request_during_reloads_is_answered(instance: Callable[[str], Ask], save: Callable[[str], str]) -> None:
    codes, is_over = [str(number) for number in range(2)], threading.Event()

    def ask_all_the_time() -> set[str]:
        known, codes = instance("tell"), set()
        while not is_over.is_set():
            codes |= {known("/")["code"], instance("tell")("/")["code"]}
        return codes

    with ThreadPoolExecutor(2) as clients:
        asking = [clients.submit(ask_all_the_time) for _ in range(2)]
        for code in codes:
            save(FUNCTIONS.replace('"old"', f'"{code}"'))
        is_over.set()
        answered = set.union(*(asked.result() for asked in asking))

    assert answered <= {"old", *codes}


def test_a_breakpoint_without_a_debugger_says_what_to_do(instance: Callable[[str], Ask], lines: list[str]) -> None:
    assert instance("stop")({}) == {"stopped": False}

    line = FUNCTIONS[: FUNCTIONS.index("breakpoint()")].count("\n") + 1
    said = f"example.py:{line}: breakpoint() needs a debugger: `npm start -- --debug stop`."
    eventually(lambda: said in lines)


@pytest.mark.parametrize(("debugging", "runs"), [({"is_schedule_off": True}, 1), ({}, 2)])
def test_while_a_function_is_debugged_no_schedule_starts_one(
    daemon: socket.socket, monkeypatch: pytest.MonkeyPatch, debugging: dict[str, Any], runs: int
) -> None:
    assert daemon
    monkeypatch.setenv(HEADER_VARIABLE, "")  # each invocation sets it
    events: list[object] = []
    function = {"name": "f", "memorySize": 1, "timeout": 1, **debugging}
    runtime = SimpleNamespace(function=function, handler=lambda event, _: events.append(event))

    for event in ({"source": "aws.events"}, {}):
        line = json.dumps({"event": event, "context": {"awsRequestId": "r-1"}}).encode()
        assert answer(cast("Runtime", runtime), line) == b'{"__offline_payload__": {}}\n'

    assert len(events) == runs


@pytest.mark.parametrize(("name", "times"), [("end", MOST_AT_WORK + 1), ("hang", 2)])
def test_a_process_that_ends_or_hangs_is_answered_an_error_and_replaced(
    instance: Callable[[str], Ask], name: str, times: int
) -> None:
    ask = instance(name)

    answers = [ask({}) for _ in range(times)]

    assert [answer["errorType"] for answer in answers] == ["Runtime.ExitError"] * times


def test_a_line_stays_whole_however_many_instances_print(instance: Callable[[str], Ask], lines: list[str]) -> None:
    asks = [instance("print_lines") for _ in range(8)]

    with ThreadPoolExecutor(len(asks)) as clients:
        list(clients.map(lambda ask: ask({}), asks))

    eventually(lambda: sum(line.count("a whole line") for line in lines) == 8 * 5_000)
    assert lines.count("a whole line") == 8 * 5_000


def test_ten_instances_of_a_function_work_at_the_same_time(instance: Callable[[str], Ask]) -> None:
    asks = [instance("work") for _ in range(25)]

    with ThreadPoolExecutor(len(asks)) as clients:
        works = list(clients.map(lambda ask: ask({}), asks))

    at_work = [sum(other["began"] <= work["began"] < other["ended"] for other in works) for work in works]
    assert 1 < max(at_work) <= MOST_AT_WORK == 10


def test_fifty_instances_at_once_each_have_a_process(instance: Callable[[str], Ask]) -> None:
    asks = [instance("show") for _ in range(50)]

    with ThreadPoolExecutor(len(asks)) as clients:
        processes = {answer["process"] for answer in clients.map(lambda ask: ask({}), asks)}

    assert len(processes) == 50
    assert os.getpid() not in processes
