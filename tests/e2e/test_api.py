"""The running service, as a client sees it: over HTTP, from the order to its payment."""

import json

import pytest
import requests

from tests.builders import VALID, an_item
from tests.e2e.conftest import ANSWER_SECONDS, Service

CREATE_ORDER = "order-processor-dev-createOrder"


def test_an_order_is_created_pending_and_becomes_processed(service: Service) -> None:
    response = requests.post(service.orders_url, json=VALID, timeout=ANSWER_SECONDS)
    created = response.json()

    assert response.status_code == 201
    assert response.headers["Location"] == f"/orders/{created['order_id']}"
    assert created["status"] == "PENDING"
    assert created["total"] == "699.80"

    processed = service.settled(created["order_id"])

    assert processed == created | {name: processed[name] for name in ("payment_id", "processed_at")} | {
        "status": "PROCESSED"
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"\xff\xfe", 400),
        (json.dumps(VALID).replace("KB-75", "caf\u00e9").encode("latin-1"), 400),
        (json.dumps({**VALID, "items": [an_item(quantity=-1)]}).encode(), 422),
        (b" " * 200_000, 413),
    ],
)
def test_bad_input_is_answered_with_a_problem(service: Service, body: bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}

    response = requests.post(service.orders_url, data=body, headers=headers, timeout=ANSWER_SECONDS)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status


@pytest.mark.parametrize("headers", [{"Origin": "https://a.example"}, {"Host": "a.example"}])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_no_page_of_another_site_can_call_the_local_run(service: Service, method: str, headers: dict[str, str]) -> None:
    function = f"2015-03-31/functions/{CREATE_ORDER}/invocations"

    for url in (service.orders_url, f"http://127.0.0.1:{service.lambda_port}/{function}"):
        response = requests.request(method, url, json=VALID, headers=headers, timeout=ANSWER_SECONDS)

        assert (response.status_code, response.headers["Content-Type"]) == (403, "application/problem+json")
        assert not any(name.lower().startswith("access-control") for name in response.headers)


def test_a_cookie_of_another_page_on_this_machine_does_no_harm(service: Service) -> None:
    headers = {"Cookie": 'theme={"dark"'}

    assert requests.post(service.orders_url, json=VALID, headers=headers, timeout=ANSWER_SECONDS).status_code == 201


@pytest.mark.parametrize(("path", "method", "allowed"), [("", "GET", "POST"), ("/1", "DELETE", "GET")])
def test_another_method_is_not_allowed(service: Service, path: str, method: str, allowed: str) -> None:
    response = requests.request(method, f"{service.orders_url}{path}", timeout=ANSWER_SECONDS)

    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
