"""The local Lambda runtime, as serverless-offline uses it: one launcher for each instance of a function."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local.lambda_.instance import MOST_AT_WORK, answer
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
