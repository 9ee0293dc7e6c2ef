"""What no honest client sends: orders spoilt byte by byte, odd requests, and bytes that are hardly HTTP."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st

from tests.builders import VALID

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


def spoil(order: dict[str, Any], edits: Sequence[tuple[float, int, bytes]]) -> bytes:
    """Write an order as JSON, and replace a few bytes here and there."""
    body = json.dumps(order, ensure_ascii=bool(edits)).encode()
    for where, length, snippet in edits:
        start = int(where * len(body))
        body = body[:start] + snippet + body[start + length :]
    return body


def to_request(method: bytes, path: bytes, headers: Sequence[bytes], body: bytes) -> bytes:
    """Write a request as HTTP/1.1 has it."""
    lines = [
        b"%b %b HTTP/1.1" % (method, path),
        b"Host: localhost",
        b"Connection: close",
        b"Content-Length: %d" % len(body),
    ]
    return b"\r\n".join([*lines, *headers, b"", body])


SPOILT_ORDERS = st.builds(
    to_request,
    st.just(b"POST"),
    st.just(b"/orders"),
    st.lists(KEYS.map(b"Idempotency-Key: ".__add__), max_size=1),
    st.builds(spoil, ORDERS, st.just([]) | EDITS) | st.binary(max_size=40),
)

METHODS = [b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"QUERY", b"PROPFIND", b"get", b"X"]
PATHS = [b"/", b"/orders", b"//orders", b"/%6frders", b"/orders/..", b"/.", b"/Orders", b"*", b"http://a/orders"]
TAILS = [b"", b"/", b"/1", b"/%00", b"/%2F", b"/%ff", b"/%", b"?a=%zz&&", b"#x", b";x=1", b"/" + b"x" * 5_000]
IDS = st.text(max_size=8).map(lambda text: b"/" + quote(text).encode())
NAMES = [
    *(b"Accept", b"Authorization", b"Content-Encoding", b"Content-Type", b"Cookie", b"Expect", b"Origin"),
    *(b"Idempotency-Key", b"Range", b"Referer", b"X-Amzn-Trace-Id", b"X-Api-Key", b"__proto__"),
]
VALUES = [
    *(b"", b"application/json; charset=utf-16", b"gzip", b"bytes=0-", b"\xe9", b"x" * 9_000),
    *(b"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", b"Root=;Parent=x;Sampled=?"),
]
VALID_BODY = json.dumps(VALID).encode()
ODD_REQUESTS = st.builds(
    to_request,
    st.sampled_from(METHODS),
    st.builds(bytes.__add__, st.sampled_from(PATHS), st.sampled_from(TAILS) | IDS),
    st.lists(st.builds(b"%b: %b".__mod__, st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES))), max_size=2),
    st.sampled_from([b"", b"{}", VALID_BODY]),
)


def cut(request: bytes, where: float, snippet: bytes) -> bytes:
    """End a request somewhere in its head: bytes behind a whole one make hapi, and so serverless-offline, crash."""
    head = request.partition(b"\r\n\r\n")[0]
    return head[: int(where * len(head))] + snippet


HARDLY_HTTP = st.binary(min_size=1, max_size=60) | st.builds(
    cut, ODD_REQUESTS, st.floats(0, 1), st.binary(min_size=1, max_size=4)
)
