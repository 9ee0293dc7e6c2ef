"""1,500 generated requests to the running service: never a 5xx, and every answer as openapi.json documents it.

They are the same ones in every run: what the document allows and what it forbids (by schemathesis), and what no honest
client sends.
"""

import socket
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from tests.contract import DOCUMENT, deviations, responses_of
from tests.e2e.conftest import Service
from tests.e2e.strange_requests import HARDLY_HTTP, ODD_REQUESTS, SPOILT_ORDERS

CONNECTIONS = 3  # serverless-offline starts a process of a function for each request at the same time
ANSWER_SECONDS = 30
PATIENCE_SECONDS = 0.5  # with bytes that may be half a request, whose end the server awaits

API = schemathesis.openapi.from_dict(DOCUMENT)
CREATE = DOCUMENT["paths"]["/orders"]["post"]
GET = DOCUMENT["paths"]["/orders/{order_id}"]["get"]
OTHER = {"responses": {"405": {"$ref": "#/components/responses/MethodNotAllowed"}}}
# What serverless-offline answers before it asks a function; AWS has its own for them.
OF_THE_EMULATOR = {200, 400, 404, 413, 417, 431}  # 200: to a CORS preflight


class Answer(NamedTuple):
    """What came back for what was sent: no status if nothing did, and what is wrong with it."""

    status: int | None
    deviation: str
    request: str


def judge(documented: Sequence[Any], status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Say what is wrong with an answer that one of these operations should document."""
    responses = [responses_of(operation).get(str(status)) for operation in documented]
    if status >= 500 or not any(responses):
        return f"{status} {body!r}"
    return min(("; ".join(deviations(it, status, headers, body)) for it in responses if it), key=len)


def send_all[Request](
    requests_: st.SearchStrategy[Request], count: int, send: Callable[[Request], Answer]
) -> Counter[int | None]:
    """Send as many generated requests, have all answers judged, and count their statuses."""
    answers: list[Future[Answer]] = []
    with ThreadPoolExecutor(CONNECTIONS) as pool:

        @settings(
            max_examples=count,
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(requests_)
        def generate(request: Request) -> None:
            answers.append(pool.submit(send, request))

        generate()
    found = [answer.result() for answer in answers]
    assert [answer for answer in found if answer.deviation] == []
    assert len(found) >= count
    return Counter(answer.status for answer in found)


@pytest.mark.parametrize(
    ("mode", "path", "method", "count", "expected"),
    [
        # Whether a key comes twice is chance here; test_spoilt_orders sends only a few keys.
        (GenerationMode.POSITIVE, "/orders", "POST", 150, {201}),
        (GenerationMode.NEGATIVE, "/orders", "POST", 50, {400, 422}),
        (GenerationMode.POSITIVE, "/orders/{order_id}", "GET", 100, {404}),
        (GenerationMode.NEGATIVE, "/orders/{order_id}", "GET", 100, {404}),
    ],
)
def test_what_the_document_allows_and_forbids(  # noqa: PLR0913
    service: Service, *, mode: GenerationMode, path: str, method: str, count: int, expected: set[int]
) -> None:
    operation = DOCUMENT["paths"][path][method.lower()]

    def send(call: dict[str, Any]) -> Answer:
        answer = session.request(**call, timeout=ANSWER_SECONDS)
        deviation = judge([operation], answer.status_code, answer.headers, answer.content)
        if mode is GenerationMode.NEGATIVE and answer.ok:
            deviation = "it is taken"
        return Answer(answer.status_code, deviation, str(call))

    def to_call(case: Case[Any]) -> dict[str, Any]:
        return case.as_transport_kwargs(base_url=service.base_url)

    with requests.Session() as session:
        statuses = send_all(API[path][method].as_strategy(generation_mode=mode).map(to_call), count, send)

    assert expected <= set(statuses), statuses


def exchange(service: Service, request: bytes, patience: float = ANSWER_SECONDS) -> tuple[HTTPResponse, bytes] | None:
    """Send bytes; nothing if nothing comes back."""
    with socket.create_connection(("127.0.0.1", int(service.port)), timeout=patience) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection, method=request.partition(b" ")[0].decode("latin-1"))
        try:
            response.begin()
            return response, response.read()
        except (HTTPException, OSError):
            return None
        finally:
            response.close()


def test_spoilt_orders(service: Service) -> None:
    def send(request: bytes) -> Answer:
        answer = exchange(service, request)
        if not answer:
            return Answer(None, "no answer", repr(request))
        response, body = answer
        return Answer(response.status, judge([CREATE], response.status, dict(response.headers), body), repr(request))

    statuses = send_all(SPOILT_ORDERS, 600, send)

    assert {200, 201, 400, 422} <= set(statuses), statuses
    assert statuses[201] > 150, statuses


@pytest.mark.parametrize(
    ("strange", "count"), [(ODD_REQUESTS, 400), (HARDLY_HTTP, 100)], ids=["odd requests", "hardly HTTP"]
)
def test_what_no_client_would_send(service: Service, strange: st.SearchStrategy[bytes], count: int) -> None:
    def send(request: bytes) -> Answer:
        answer = exchange(service, request, PATIENCE_SECONDS)
        if not answer:
            return Answer(None, "", repr(request))
        response, body = answer
        if response.headers["Cache-Control"] != "no-store" and response.status in OF_THE_EMULATOR:
            return Answer(response.status, "", repr(request))
        deviation = judge([CREATE, GET, OTHER], response.status, dict(response.headers), body)
        return Answer(response.status, deviation, repr(request))

    statuses = send_all(strange, count, send)

    assert statuses[400] > count / 10, statuses
    assert requests.get(f"{service.orders_url}/1", timeout=ANSWER_SECONDS).status_code == 404
