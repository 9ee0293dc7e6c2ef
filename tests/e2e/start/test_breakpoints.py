"""`npm start -- --debug FUNCTION`: an editor stops in a function, while the rest of the service runs."""

import json
from collections.abc import Iterator

import pytest

from local.child_process import LocalRunFailed
from local.environment import DEBUG_PORT
from local.lambda_.function_processes import debug
from local.ports import free_port
from tests.e2e.conftest import Service, npm_start
from tests.e2e.start.debugger import Debugger
from tools.repository import ROOT

PROCESS_PAYMENT = ROOT / "functions" / "process_payment.py"
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def debug_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def own(debug_port: int) -> Iterator[Service]:
    with npm_start("--debug", "processPayment", "--debug-port", str(debug_port)) as running:
        yield running


def test_an_editor_stops_in_the_function_each_time_that_it_is_attached(own: Service, debug_port: int) -> None:
    assert f"processPayment waits for your editor on 127.0.0.1:{debug_port} (CONTRIBUTING.md)." in own.lines
    line = PROCESS_PAYMENT.read_text().partition("settlement.close()")[0].count("\n") + 1
    for _ in range(2):
        with Debugger(debug_port, PROCESS_PAYMENT, line) as editor:
            order_id = own.create()
            frame = editor.wait_for_stop()
            assert (frame["source"]["path"], frame["line"]) == (str(PROCESS_PAYMENT), line)
            # With the second, a stop within the call of the provider ends no payment.
            seen = "len(event['Records']), __import__('shared.settlement').settlement.PROVIDER_TIMEOUT_SECONDS"
            values = editor.ask("evaluate", expression=seen, frameId=frame["id"])["result"]
            assert values == f"(1, {DAY_SECONDS})"
            assert own.order(order_id)["status"] == "PROCESSED"


def test_without_an_editor_the_function_does_not_stop(own: Service) -> None:
    assert own.settled(own.create())["status"] == "PROCESSED"


def test_the_function_has_a_day_and_has_to_exist() -> None:
    service = {"functions": {key: {"timeout": 10} for key in ("createOrder", "getOrder")}}

    debug(service, "getOrder", 1)

    assert {key: function["timeout"] for key, function in service["functions"].items()} == {
        "createOrder": 10,
        "getOrder": DAY_SECONDS,
    }
    with pytest.raises(LocalRunFailed, match=r"^--debug: expected createOrder or getOrder\.$"):
        debug(service, "get_order", 1)


def test_the_editors_configuration_has_the_port() -> None:
    (attach,) = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]

    assert (attach["type"], attach["request"]) == ("debugpy", "attach")
    assert attach["connect"] == {"host": "127.0.0.1", "port": DEBUG_PORT}
