"""The connection to DynamoDB, which is open before the first request comes."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.order_table import OrderTable
from tests.builders import an_order


class DynamoDB(BaseHTTPRequestHandler):
    """Takes everything, and remembers over which connections it came."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, tuple[str, int]]]

    def do_POST(self) -> None:
        self.requests.append((self.headers["X-Amz-Target"], self.client_address))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, tuple[str, int]]]]:
    """What a DynamoDB of the test's own was asked."""
    DynamoDB.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), DynamoDB) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield DynamoDB.requests
        server.shutdown()
        thread.join()


def test_in_lambda_the_first_put_uses_the_connection_that_is_open(
    requests: list[tuple[str, tuple[str, int]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")

    OrderTable("orders").create(an_order())

    (first, connection), (second, same_connection) = requests
    assert (first, second) == ("DynamoDB_20120810.DescribeEndpoints", "DynamoDB_20120810.PutItem")
    assert connection == same_connection
