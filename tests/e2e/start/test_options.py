"""`npm start -- --json --api-key KEY`, from its first requests to Ctrl-C."""

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from tests.builders import VALID
from tests.e2e.conftest import ANSWER_SECONDS, ENDED, Service, npm_start
from tests.waiting import eventually

KEYS = ("of-one-client", "of-another")


@pytest.fixture(scope="module")
def own() -> Iterator[Service]:
    with npm_start("--json", "--api-key", KEYS[0], "--api-key", KEYS[1]) as running:
        yield running


def logged(own: Service, message: str) -> set[str]:
    """The orders of the log lines with this message."""
    entries: list[dict[str, Any]] = [json.loads(line) for line in own.lines if line.startswith("{")]
    return {entry["order_id"] for entry in entries if entry.get("message") == message}


def create(own: Service, idempotency_key: str, api_key: str = KEYS[0]) -> requests.Response:
    # On a busy machine DynamoDB Local may need longer than a function waits. Then a client does as the API's docs say.
    patient = Retry(total=3, status_forcelist=[HTTPStatus.SERVICE_UNAVAILABLE], allowed_methods=None)
    with requests.Session() as client:
        client.mount("http://", HTTPAdapter(max_retries=patient))
        headers = {"X-Api-Key": api_key, "Idempotency-Key": idempotency_key}
        return client.post(own.orders_url, headers=headers, json=VALID, timeout=ANSWER_SECONDS)


def test_fifty_first_requests_at_once_are_all_created(own: Service) -> None:
    started = [command for command in own.family().values() if "launcher.py" in command]

    with ThreadPoolExecutor(50) as clients:
        answers = list(clients.map(lambda number: create(own, f"first-{number}"), range(50)))

    assert {answer.status_code for answer in answers} <= {200, 201}  # 200: stored by a try that got no answer
    assert len({answer.json()["order_id"] for answer in answers}) == 50
    created = {answer.json()["order_id"] for answer in answers if answer.status_code == 201}
    eventually(lambda: created == logged(own, "Order created"))
    for function in ("create_order", "get_order", "process_payment", "recover_orders"):
        assert [f"functions/{function}" in command for command in started].count(True) == 1


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": ""}])
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


def test_ctrl_c_amid_payments_leaves_no_process(own: Service) -> None:
    create(own, "last")

    assert own.end(signal.SIGINT) == []
    assert own.lines[-1] == ENDED
    assert not any("Traceback" in line for line in own.lines)
