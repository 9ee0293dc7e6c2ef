"""`npm start` with its options, `--json --api-key KEY --debug FUNCTION`, from an editor's breakpoint to Ctrl-C."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from local.environment import DEBUG_PORT
from local.ports import free_port
from tests.builders import VALID
from tests.e2e.command import run
from tests.e2e.conftest import ANSWER_SECONDS, ENDED, Service, npm_start
from tests.e2e.start.debugger import Debugger
from tests.waiting import eventually
from tools import smoke
from tools.repository import ROOT

KEYS = ("of-one-client", "of-another")
PROCESS_PAYMENT = ROOT / "functions" / "process_payment.py"
DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def debug_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def own(debug_port: int) -> Iterator[Service]:
    options = ["--json", "--debug", "processPayment", "--debug-port", str(debug_port)]
    with npm_start(*options, "--api-key", KEYS[0], "--api-key", KEYS[1]) as running:
        running.headers = {"X-Api-Key": KEYS[0]}
        yield running


def create(own: Service, idempotency_key: str, api_key: str = KEYS[0]) -> requests.Response:
    # On a busy machine DynamoDB Local may need longer than a function waits. Then a client does as the API's docs say.
    patient = Retry(total=3, status_forcelist=[HTTPStatus.SERVICE_UNAVAILABLE], allowed_methods=None)
    with requests.Session() as client:
        client.mount("http://", HTTPAdapter(max_retries=patient))
        headers = {"X-Api-Key": api_key, "Idempotency-Key": idempotency_key}
        return client.post(own.orders_url, headers=headers, json=VALID, timeout=ANSWER_SECONDS)


def created_in_log(own: Service) -> set[str]:
    return {json.loads(line)["order_id"] for line in own.lines if '"Order created"' in line}


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


def test_the_editors_configuration_has_the_port() -> None:
    (attach,) = json.loads((ROOT / ".vscode" / "launch.json").read_text())["configurations"]

    assert attach["connect"] == {"host": "127.0.0.1", "port": DEBUG_PORT}


def test_fifty_requests_at_once_are_all_created_and_logged_as_json(own: Service) -> None:
    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda number: create(own, f"first-{number}"), range(50)))

    assert {answer.status_code for answer in answers} <= {200, 201}  # 200: stored by a try that got no answer
    assert len({answer.json()["order_id"] for answer in answers}) == 50
    created = {answer.json()["order_id"] for answer in answers if answer.status_code == 201}
    eventually(lambda: created <= created_in_log(own))


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}])
def test_without_a_key_it_answers_as_api_gateway_does(own: Service, headers: dict[str, str]) -> None:
    response = requests.get(own.orders_url, headers=headers, timeout=ANSWER_SECONDS)

    detail = "Send a valid API key in the header x-api-key."
    assert response.json() == {"title": "Forbidden", "status": 403, "detail": detail}
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"


def test_each_client_has_its_own_idempotency_keys(own: Service) -> None:
    first, again, anothers = (create(own, "the same", key) for key in (KEYS[0], KEYS[0], KEYS[1]))

    assert [response.status_code for response in (first, again, anothers)] == [201, 200, 201]
    assert first.json()["order_id"] == again.json()["order_id"] != anothers.json()["order_id"]


def test_the_order_page_has_a_key(own: Service) -> None:
    placed = requests.post(
        f"{own.page_url}actions/order", json={"body": '{"customer_id": ""}', "key": ""}, timeout=ANSWER_SECONDS
    )

    assert placed.json()["status"] == 422


def test_the_smoke_check_passes_with_a_key(own: Service) -> None:
    checked = run(smoke.main, "--port", own.port, "--xray-port", own.xray_port, "--api-key", KEYS[0])

    assert checked.code == 0, checked


def test_ctrl_c_amid_payments_leaves_no_process(own: Service) -> None:
    create(own, "last")

    assert own.end(signal.SIGINT) == []
    assert own.lines[-1] == ENDED
    assert not any("Traceback" in line for line in own.lines)
