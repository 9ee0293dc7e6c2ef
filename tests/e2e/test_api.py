"""The running service, as a client sees it: over HTTP, from the order to its payment."""

import socket
import sys

import pytest
import requests

from tests.builders import VALID
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


@pytest.mark.parametrize("headers", [{"Origin": "https://a.example"}, {"Host": "a.example"}])
@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
def test_no_page_of_another_site_can_call_the_local_run(service: Service, method: str, headers: dict[str, str]) -> None:
    function = f"2015-03-31/functions/{CREATE_ORDER}/invocations"

    for url in (service.orders_url, f"http://127.0.0.1:{service.lambda_port}/{function}"):
        response = requests.request(method, url, json=VALID, headers=headers, timeout=ANSWER_SECONDS)

        assert (response.status_code, response.headers["Content-Type"]) == (403, "application/problem+json")
        assert not any(name.lower().startswith("access-control") for name in response.headers)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.1 is the only loopback address")
def test_only_this_machine_reaches_the_local_run(service: Service) -> None:
    for port in (service.page_port, service.port, service.lambda_port, service.xray_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", int(port)), ANSWER_SECONDS)
