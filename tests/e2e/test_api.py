"""The running service, as a client sees it: over HTTP, from the order to its payment."""

import json
import time
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.builders import VALID, an_item
from tests.e2e.conftest import Service

DEADLINE_SECONDS = 30


def post(service: Service, body: bytes | dict[str, Any]) -> requests.Response:
    data = body if isinstance(body, bytes) else json.dumps(body)
    headers = {"Content-Type": "application/json"}
    return requests.post(f"{service.base_url}/orders", data=data, headers=headers, timeout=DEADLINE_SECONDS)


def get(service: Service, order_id: object) -> requests.Response:
    return requests.get(f"{service.base_url}/orders/{order_id}", timeout=DEADLINE_SECONDS)


def settled(service: Service, order: dict[str, Any]) -> dict[str, Any]:
    """Ask for an order until it is no longer PENDING."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (shown := get(service, order["order_id"]).json())["status"] == "PENDING":
        assert time.monotonic() < deadline, f"still {shown}"
        time.sleep(0.1)
    return dict(shown)


def test_an_order_is_created_pending_and_becomes_processed(service: Service) -> None:
    response = post(service, VALID)
    created = response.json()

    assert response.status_code == 201
    assert response.headers["Location"] == f"/orders/{created['order_id']}"
    assert created["status"] == "PENDING"
    assert created["total"] == "699.80"

    processed = settled(service, created)

    assert processed == created | {name: processed[name] for name in ("payment_id", "processed_at")} | {
        "status": "PROCESSED"
    }


def test_an_order_of_402_becomes_declined(service: Service) -> None:
    created = post(service, {**VALID, "items": [an_item(quantity=1, unit_price="402.00")]}).json()

    assert settled(service, created)["status"] == "DECLINED"
    assert settled(service, created)["decline_reason"] == "insufficient funds"


def test_a_burst_of_orders_is_processed(service: Service) -> None:
    created = [post(service, VALID).json() for _ in range(20)]

    assert {settled(service, order)["status"] for order in created} == {"PROCESSED"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[" * 50_000, 400),
        (b"\xff\xfe", 400),
        (json.dumps(VALID).replace('"349.90"', "NaN").encode(), 400),
        (b"[]", 422),
        (b"{}", 422),
        (json.dumps({**VALID, "items": [an_item()] * 101}).encode(), 422),
        (json.dumps({**VALID, "items": [an_item(quantity=-1)]}).encode(), 422),
        (json.dumps({**VALID, "items": [an_item(unit_price=10**30)]}).encode(), 422),
        (json.dumps({**VALID, "items": [an_item(sku="a\x00b")]}).encode(), 422),
        (json.dumps({**VALID, "customer_id": "\ud800"}).encode(), 422),
        (b" " * 200_000, 413),
    ],
)
def test_bad_input_is_answered_with_a_problem(service: Service, body: bytes, status: int) -> None:
    response = post(service, body)

    assert (response.status_code, response.headers["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status


@pytest.mark.parametrize("order_id", [uuid4(), "1", "a%00b", "%22", "x" * 500])
def test_an_unknown_order_is_not_found(service: Service, order_id: object) -> None:
    response = get(service, order_id)

    assert (response.status_code, response.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.parametrize(("path", "method", "allowed"), [("", "GET", "POST"), ("/1", "DELETE", "GET")])
def test_another_method_is_not_allowed(service: Service, path: str, method: str, allowed: str) -> None:
    response = requests.request(method, f"{service.base_url}/orders{path}", timeout=DEADLINE_SECONDS)

    assert (response.status_code, response.headers["Allow"]) == (405, allowed)
