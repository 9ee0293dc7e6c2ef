"""The local Lambda runtime, as serverless-offline uses it: one launcher for each instance of a function."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.lambda_.instance import MOST_AT_WORK, answer
from local.lambda_.launcher import WARM_UP
from local.lambda_.runtime import Runtime
from tests.integration.lambda_runtime.conftest import FUNCTIONS, Service, Start
from tests.waiting import eventually


def test_a_function_has_its_environment_its_timeout_and_a_trace(start: Start, service: Service) -> None:
    answer = start("show")({"some": "event"})

    assert answer["event"] == {"some": "event"}
    assert (answer["name"], answer["request_id"], answer["variable"]) == ("the-show", "r-1", "its own")
    assert 15_000 < answer["remaining"] <= 20_000
    segment = service.segments(answer["header"])[-1]
    assert answer["header"] == f"Root={segment['trace_id']};Parent={segment['id']};Sampled=1"
    assert (segment["name"], segment["origin"]) == ("the-show", "AWS::Lambda::Function")
    assert segment["start_time"] <= segment["end_time"]
    assert "fault" not in segment
    eventually(lambda: "a line" in service.lines)


def test_a_request_names_its_trace_and_decides_whether_it_is_sampled(start: Start, service: Service) -> None:
    ask, root = start("show"), "Root=1-5759e988-bd862e3fe1be46a994272793"

    unsampled = ask({"headers": {"X-Amzn-Trace-Id": f"{root};Sampled=0"}})
    sampled = ask({"headers": {"x-amzn-trace-id": root}})

    assert unsampled["header"].split(";")[::2] == [root, "Sampled=0"]
    assert sampled["header"].split(";")[::2] == [root, "Sampled=1"]
    assert not [each for each in service.segments(sampled["header"]) if each["id"] in unsampled["header"]]
    assert unsampled["process"] == sampled["process"]


@pytest.mark.parametrize(("name", "event"), [("show", WARM_UP), ("answer_nothing", {})])
def test_a_warm_up_and_a_handler_that_returns_nothing_are_answered(start: Start, name: str, event: object) -> None:
    assert start(name)(event) == {}


def test_a_handler_that_fails_is_answered_its_error_and_its_segment_is_a_fault(start: Start, service: Service) -> None:
    answer, after = start("fail")(), start("show")()

    assert answer == {"errorType": "ValueError", "errorMessage": "no"}
    assert [each["name"] for each in service.segments(after["header"]) if "fault" in each] == ["the-fail"]
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


def test_a_line_stays_whole_however_many_instances_print(start: Start, service: Service) -> None:
    asks = [start("print_lines") for _ in range(8)]

    with ThreadPoolExecutor(len(asks)) as clients:
        list(clients.map(lambda ask: ask(), asks))

    eventually(lambda: sum(line.count("a whole line") for line in service.lines) == 8 * 2_000)
    assert service.lines.count("a whole line") == 8 * 2_000


def test_each_instance_has_a_process_and_ten_of_a_function_work_at_the_same_time(
    start: Start,
) -> None:
    asks = [start("work") for _ in range(25)]

    with ThreadPoolExecutor(len(asks)) as clients:
        works = list(clients.map(lambda ask: ask(), asks))

    at_work = [sum(other["began"] <= work["began"] < other["ended"] for other in works) for work in works]
    assert 1 < max(at_work) <= MOST_AT_WORK == 10
    assert len({work["process"] for work in works} - {os.getpid()}) == 25
