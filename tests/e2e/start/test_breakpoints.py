"""`npm start -- --debug FUNCTION`: an editor stops in a function, while the rest of the service runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.child_process import LocalRunFailed
from local.environment import DEBUG_PORT
from local.lambda_.function_processes import debug
from local.ports import free_port
from shared.settlement import PROVIDER_TIMEOUT_SECONDS
from tests.e2e.conftest import Service, npm_start
from tests.e2e.start.debugger import Debugger
from tools.repository import ROOT

PROCESS_PAYMENT, AFTER_PAYMENTS = ROOT / "functions" / "process_payment.py", "settlement.close()"
PROVIDER, AT_CHARGE = ROOT / "local" / "page" / "payment_provider.py", "self.ledger.charge("


@pytest.fixture(scope="module")
def debug_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def service(debug_port: int) -> Iterator[Service]:
    with npm_start("--debug", "processPayment", "--debug-port", str(debug_port)) as running:
        yield running


def line_of(file: Path, text: str) -> int:
    """Return the number of the line that has this text."""
    return file.read_text().partition(text)[0].count("\n") + 1


@pytest.mark.parametrize("time_", ["first", "second"])
def test_an_editor_stops_in_the_function_each_time_that_it_is_attached(
    service: Service, debug_port: int, time_: str
) -> None:
    assert f"processPayment waits for your editor on 127.0.0.1:{debug_port} (CONTRIBUTING.md)." in service.lines, time_
    line = line_of(PROCESS_PAYMENT, AFTER_PAYMENTS)
    with Debugger(debug_port, PROCESS_PAYMENT, line) as editor:
        order_id = service.create()
        frame = editor.wait_for_stop()
        assert (frame["source"]["path"], frame["line"]) == (str(PROCESS_PAYMENT), line)
        records = editor.ask("evaluate", expression="len(event['Records'])", frameId=frame["id"])
        assert (records["result"], service.order(order_id)["status"]) == ("1", "PROCESSED")


def test_the_provider_has_all_the_time_of_a_breakpoint(service: Service, debug_port: int) -> None:
    with Debugger(debug_port, PROVIDER, line_of(PROVIDER, AT_CHARGE)) as editor:
        order_id = service.create()
        editor.wait_for_stop()
        time.sleep(PROVIDER_TIMEOUT_SECONDS + 1)

    order = service.settled(order_id)
    assert (order["status"], "attempts" in order) == ("PROCESSED", False)


def test_without_an_editor_the_function_does_not_stop(service: Service) -> None:
    assert service.settled(service.create())["status"] == "PROCESSED"


def test_the_function_has_a_day_and_has_to_exist() -> None:
    service = {"functions": {key: {"timeout": 10} for key in ("createOrder", "getOrder")}}

    debug(service, "getOrder", 1)

    assert {key: function["timeout"] for key, function in service["functions"].items()} == {
        "createOrder": 10,
        "getOrder": 86_400,
    }
    with pytest.raises(LocalRunFailed, match=r"^--debug: expected createOrder or getOrder\.$"):
        debug(service, "get_order", 1)


def test_the_editors_configuration_has_the_port() -> None:
    (attach,) = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]

    assert (attach["type"], attach["request"]) == ("debugpy", "attach")
    assert attach["connect"] == {"host": "127.0.0.1", "port": DEBUG_PORT}
