"""500 generated requests to the running service: never a 5xx, and every answer as openapi.json documents it.

They are the same ones in every run: what the document allows and what it forbids (by schemathesis), and orders that are
spoilt byte by byte.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from tests.contract import DOCUMENT, deviations, responses_of
from tests.e2e.conftest import ANSWER_SECONDS, Service

API = schemathesis.openapi.from_dict(DOCUMENT)
CREATE = DOCUMENT["paths"]["/orders"]["post"]

ITEMS = st.fixed_dictionaries(
    {
        "sku": st.text("KB75 \u00e9\u4e16\U0001f600\"\\'", min_size=1, max_size=8),
        "quantity": st.integers(1, 10_000),
        "unit_price": st.decimals("0.01", "9999999999.99", places=2).map(str) | st.integers(1, 10**10 - 1),
    }
)
ORDERS = st.fixed_dictionaries(
    {
        "customer_id": st.text("cdeABC019._-", min_size=1, max_size=64),
        "items": st.lists(ITEMS, min_size=1, max_size=3),
    },
    optional={"currency": st.sampled_from(["BRL", "USD"])},
)
# What JSON's readers stumble over.
SNIPPETS = [
    *(b'"', b"{", b"}", b"[", b"]", b":", b",", b"\\", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\\ud800", b"\\u0000"),
    *(b"null", b"true", b"NaN", b"-Infinity", b"-0", b"1e400", b"1E-400", b"0x1", b"9" * 5_000, b"0." + b"0" * 400),
    *(b'"items":[],', b'"__proto__":{},', b'"":"",', b"[" * 5_000, b'{"a":' * 2_000, b" " * 100_000, b"a" * 1_000),
]
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 6), st.sampled_from(SNIPPETS) | st.binary(max_size=3)), max_size=2
)
KEYS = st.sampled_from([b"k-1", b"k-2", b"", b"x" * 255, b"x" * 256, b"\xe9", b"a b", b"a\tb"])
TRACES = st.sampled_from([b"Root=1-5759e988-000000000000000000000000;Sampled=1", b"Root=;Parent=x;Sampled=?", b"\xe9"])


def spoil(order: dict[str, Any], edits: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Write an order as JSON, and replace a few bytes here and there."""
    body = json.dumps(order, ensure_ascii=bool(edits)).encode()
    for where, length, snippet in edits:
        start = int(where * len(body))
        body = body[:start] + snippet + body[start + length :]
    return body


def send_all[Request](
    generated: st.SearchStrategy[Request],
    count: int,
    send: Callable[[Request], requests.Response],
    operation: Mapping[str, Any],
) -> Counter[int]:
    """Send as many generated requests, judge each answer, and count the statuses."""
    statuses: Counter[int] = Counter()

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(generated)
    def check(request: Request) -> None:
        answer = send(request)
        status = answer.status_code
        statuses[status] += 1
        assert status < HTTPStatus.INTERNAL_SERVER_ERROR, answer.text
        assert deviations(responses_of(operation)[str(status)], status, answer.headers, answer.content) == []

    check()
    assert statuses.total() >= count
    return statuses


@pytest.mark.parametrize(
    ("mode", "path", "method", "count", "expected"),
    [
        # Whether a key comes twice is chance here; test_spoilt_orders sends only a few keys.
        (GenerationMode.POSITIVE, "/orders", "POST", 100, {201}),
        (GenerationMode.NEGATIVE, "/orders", "POST", 50, {400, 422}),
        (GenerationMode.POSITIVE, "/orders/{order_id}", "GET", 25, {404}),
        (GenerationMode.NEGATIVE, "/orders/{order_id}", "GET", 25, {404}),
    ],
)
def test_what_the_document_allows_and_forbids(  # noqa: PLR0913
    service: Service, *, mode: GenerationMode, path: str, method: str, count: int, expected: set[int]
) -> None:
    def send(case: Case[Any]) -> requests.Response:
        return session.request(**case.as_transport_kwargs(base_url=service.base_url), timeout=ANSWER_SECONDS)

    with requests.Session() as session:
        cases = API[path][method].as_strategy(generation_mode=mode)
        statuses = send_all(cases, count, send, DOCUMENT["paths"][path][method.lower()])

    assert expected <= set(statuses), statuses
    assert mode is GenerationMode.POSITIVE or not {200, 201} & set(statuses), statuses


def test_spoilt_orders(service: Service) -> None:
    headers = st.fixed_dictionaries({}, optional={"Idempotency-Key": KEYS, "X-Amzn-Trace-Id": TRACES})
    bodies = st.builds(spoil, ORDERS, st.just([]) | EDITS) | st.binary(max_size=40)

    def send(request: tuple[dict[str, bytes], bytes]) -> requests.Response:
        own_headers, body = request
        return session.post(service.orders_url, body, headers=own_headers, timeout=ANSWER_SECONDS)

    with requests.Session() as session:
        statuses = send_all(st.tuples(headers, bodies), 300, send, CREATE)

    assert {200, 201, 400, 422} <= set(statuses), statuses
    assert statuses[201] > 75, statuses
