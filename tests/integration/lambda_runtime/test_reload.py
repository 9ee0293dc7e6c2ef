"""Saved code takes over in the local Lambda runtime, and no invocation is lost."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.lambda_runtime.conftest import FUNCTIONS, Service, Start
from tests.waiting import eventually

LAST_LINE = FUNCTIONS.count("\n") + 1


def version(code: str) -> str:
    """The functions with another answer of `tell`."""
    return FUNCTIONS.replace('{"code": "0"}', f'{{"code": "{code}"}}')


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
    start: Start, service: Service, code: str, said: str
) -> None:
    before = start("tell")("/")

    lines = service.save(code)

    assert said in lines
    assert lines.endswith("\nNot reloaded: the functions stay as they were.")
    assert start("tell")("/") == before


def test_an_invocation_under_way_ends_with_the_code_of_before(start: Start, service: Service, tmp_path: Path) -> None:
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
    start: Start, service: Service
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
