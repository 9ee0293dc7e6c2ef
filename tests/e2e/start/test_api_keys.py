"""`npm start -- --api-key KEY`: the local API asks for a key, as API Gateway does."""

from collections.abc import Iterator

import pytest
import requests

from tests.builders import VALID
from tests.e2e.conftest import ANSWER_SECONDS, Service, npm_start

KEYS = ("of-one-client", "of-another")


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with npm_start("--api-key", KEYS[0], "--api-key", KEYS[1]) as running:
        yield running


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": ""}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_key_it_answers_as_api_gateway_does(service: Service, method: str, headers: dict[str, str]) -> None:
    response = requests.request(method, service.orders_url, headers=headers, json=VALID, timeout=ANSWER_SECONDS)

    detail = "Send a valid API key in the header x-api-key."
    assert response.json() == {"title": "Forbidden", "status": 403, "detail": detail}
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"


def test_each_client_has_its_own_idempotency_keys(service: Service) -> None:
    def create(key: str) -> requests.Response:
        headers = {"X-Api-Key": key, "Idempotency-Key": "the same"}
        return requests.post(service.orders_url, headers=headers, json=VALID, timeout=ANSWER_SECONDS)

    first, again, anothers = create(KEYS[0]), create(KEYS[0]), create(KEYS[1])

    assert [response.status_code for response in (first, again, anothers)] == [201, 200, 201]
    assert first.json()["order_id"] == again.json()["order_id"] != anothers.json()["order_id"]


def test_the_order_page_has_a_key(service: Service) -> None:
    placed = requests.post(
        f"{service.page_url}actions/order", json={"body": '{"customer_id": ""}', "key": ""}, timeout=ANSWER_SECONDS
    )

    assert placed.json()["status"] == 422
