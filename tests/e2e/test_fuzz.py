"""350 generated requests to the running service: never a 5xx, and every answer as openapi.json documents it.

They are the same ones in every run: what the document allows and what it forbids (by schemathesis), and orders that are
spoilt byte by byte.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode

from tests.builders import VALID
from tests.contract import DOCUMENT, deviations, responses_of
from tests.e2e.conftest import ANSWER_SECONDS, Service

API = schemathesis.openapi.from_dict(DOCUMENT)
DOCUMENTED = responses_of(DOCUMENT["paths"]["/orders"]["post"])

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


def spoilt(edits: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Write an order as JSON, and replace a few bytes here and there."""
    body = json.dumps(VALID).encode()
    for where, length, snippet in edits:
        start = int(where * len(body))
        body = body[:start] + snippet + body[start + length :]
    return body


def send_all[Request](
    generated: st.SearchStrategy[Request], count: int, send: Callable[[Request], requests.Response]
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
        assert deviations(DOCUMENTED[str(status)], status, answer.headers, answer.content) == []

    check()
    return statuses


@pytest.mark.parametrize(
    ("mode", "count", "expected", "never"),
    [
        (GenerationMode.POSITIVE, 50, {201}, {400}),
        (GenerationMode.NEGATIVE, 50, {400, 422}, {200, 201}),
    ],
)
def test_what_the_document_allows_and_forbids(
    service: Service, mode: GenerationMode, count: int, expected: set[int], never: set[int]
) -> None:
    def send(case: Case[Any]) -> requests.Response:
        return session.request(**case.as_transport_kwargs(base_url=service.base_url), timeout=ANSWER_SECONDS)

    with requests.Session() as session:
        statuses = send_all(API["/orders"]["POST"].as_strategy(generation_mode=mode), count, send)

    assert expected <= statuses.keys(), statuses
    assert not never & statuses.keys(), statuses


def test_spoilt_orders(service: Service) -> None:
    headers = st.fixed_dictionaries({}, optional={"Idempotency-Key": KEYS, "X-Amzn-Trace-Id": TRACES})
    bodies = st.builds(spoilt, EDITS) | st.binary(max_size=40)

    def send(request: tuple[dict[str, bytes], bytes]) -> requests.Response:
        own_headers, body = request
        return session.post(service.orders_url, body, headers=own_headers, timeout=ANSWER_SECONDS)

    with requests.Session() as session:
        statuses = send_all(st.tuples(headers, bodies), 250, send)

    assert {200, 201, 400, 422} <= statuses.keys(), statuses
