"""CreateOrder and GetOrder, as API Gateway calls them."""

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from http import HTTPStatus
from io import StringIO
from types import ModuleType
from typing import Any
from unittest.mock import Mock
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from moto import mock_aws

from functions import create_order, get_order
from shared.order import idempotent_order_id
from shared.order_table import OrderTable, TableUnavailable, UnreadableOrder, to_item
from shared.tracing import HEADER_VARIABLE
from tests.builders import VALID, Context, a_request, an_item
from tests.unit.conftest import log_lines


@pytest.fixture(scope="module")
def orders() -> Iterator[OrderTable]:
    """The orders table in moto, whose DynamoDB is not the project's own."""
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "order_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "order_id", "KeyType": "HASH"}],
        )
        yield OrderTable("orders", client)


@pytest.fixture(autouse=True)
def table(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> OrderTable:
    for function in (create_order, get_order):
        monkeypatch.setattr(function, "orders", orders)
    return orders


class Response:
    """What API Gateway makes of a function's answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.status: int = answer["statusCode"]
        self.headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        self.body: dict[str, Any] = json.loads(answer["body"])

    @property
    def problem(self) -> tuple[int, str]:
        """Its status and its problem's detail (RFC 9457)."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert (self.body["status"], self.body["title"]) == (self.status, HTTPStatus(self.status).phrase)
        return self.status, self.body["detail"]

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.body["errors"]]


def post(body: object, **changes: object) -> Response:
    return Response(create_order.lambda_handler(a_request("POST", "/orders", body, **changes), Context()))


def get(order_id: object) -> Response:
    return Response(get_order.lambda_handler(a_request("GET", f"/orders/{order_id}"), Context()))


def test_a_valid_order_is_created_pending_and_can_be_read(table: OrderTable) -> None:
    response = post(VALID)

    assert response.status == 201
    assert response.headers["Content-Type"] == "application/json"
    order_id = response.body["order_id"]
    assert response.headers["Location"] == f"/dev/orders/{order_id}"
    shown = {"order_id": order_id, "status": "PENDING", "total": "699.80", "created_at": response.body["created_at"]}
    assert response.body == {**VALID, **shown}
    read = get(order_id)
    assert (read.status, read.body) == (200, response.body)
    assert table.get(UUID(order_id)).total == Decimal("699.80")


def test_an_equal_request_is_another_order_also_under_a_path_with_a_slash() -> None:
    first, second = (
        Response(create_order.lambda_handler(a_request("POST", path, VALID), Context()))
        for path in ("/orders", "/orders/")
    )

    assert first.headers["Location"] != second.headers["Location"] == f"/dev/orders/{second.body['order_id']}"


def test_a_body_in_base64_is_read() -> None:
    assert post(base64.b64encode(json.dumps(VALID).encode()).decode(), isBase64Encoded=True).status == 201


def post_with(member: str, number: str) -> Response:
    """Post an order whose item has a JSON number, written like this."""
    return post(json.dumps({**VALID, "items": [an_item(**{member: "?"})]}).replace('"?"', number))


@pytest.mark.parametrize("number", ["2.0", "2e0", "0.2E1"])
def test_a_whole_quantity_is_whole_however_it_is_written(number: str) -> None:
    assert post_with("quantity", number).body["items"][0]["quantity"] == 2


@pytest.mark.parametrize("number", ["349.9", "349.90", "34990e-2"])
def test_a_price_as_a_json_number_stays_exact(number: str) -> None:
    assert post_with("unit_price", number).body["items"][0]["unit_price"] == "349.90"


@pytest.mark.parametrize(
    ("member", "number"),
    [
        *(("quantity", number) for number in ("2.5", "1e99999", "1e-99999", "0.0", "1e5", "9" * 100)),
        ("unit_price", "349.900000000000000001"),  # a float would lose the last digits
    ],
)
def test_a_number_that_is_not_allowed_is_refused_not_rounded(member: str, number: str) -> None:
    response = post_with(member, number)

    assert (response.status, response.pointers) == (422, [f"/items/0/{member}"])


JSON = "The body is not valid JSON:"
TWICE = f'{JSON} the name "sku" occurs twice in an object.'
EMPTY = "The body is empty; send an order as JSON."
NESTED = "The body is nested too deeply."


def out_of_range(number: str) -> str:
    return f"{JSON} the number {number} is outside the range that JSON implementations support."


MALFORMED = {
    "nothing": (None, EMPTY),
    "an empty body": ("", EMPTY),
    "no JSON": ("{", f"{JSON} Expecting property name enclosed in double quotes: line 1 column 2 (char 1)."),
    "a trailing comma": (
        '{"sku": 1,}',
        f"{JSON} Illegal trailing comma before end of object: line 1 column 10 (char 9).",
    ),
    "a name twice": ('{"sku": 1, "sku": 1}', TWICE),
    "a name twice, once escaped": ('[{"a": {"sku": 1, "b": 2, "s\\u006bu": 3}}]', TWICE),
    "NaN": ("[NaN]", out_of_range("NaN")),
    "Infinity": ("[-Infinity]", out_of_range("-Infinity")),
    "an endless integer": (f"[{'9' * 101}]", out_of_range(f"{'9' * 100}...")),
    "an endless exponent": (f"[1e{'9' * 101}]", out_of_range(f"1e{'9' * 98}...")),
    "deep nesting": ("[" * 50_000, NESTED),
    "deep nesting of objects": ('{"a":' * 10_000, NESTED),
}


@pytest.mark.parametrize(("body", "detail"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_no_json_is_a_bad_request(body: str | None, detail: str) -> None:
    assert post(body).problem == (400, detail)


CAFE = json.dumps({**VALID, "items": [an_item(sku="caf\N{REPLACEMENT CHARACTER}")]}, ensure_ascii=False)
LATIN_1 = CAFE.replace("\N{REPLACEMENT CHARACTER}", "é").encode("latin-1")


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [(CAFE, False), (base64.b64encode(LATIN_1).decode(), True), (base64.b64encode(CAFE.encode()).decode(), True)],
    ids=["API Gateway has decoded it", "base64", "base64 of what was decoded before"],
)
def test_bytes_that_are_not_utf8_are_a_bad_request(body: str, *, is_base64: bool) -> None:
    detail = f"The body is not UTF-8: byte {LATIN_1.index(b'\xe9')} cannot be read, or is U+FFFD."

    assert post(body, isBase64Encoded=is_base64).problem == (400, detail)


def test_a_replacement_character_that_is_escaped_is_refused_where_it_is() -> None:
    response = post({**VALID, "items": [an_item(sku="caf\N{REPLACEMENT CHARACTER}")]})

    assert (response.status, response.pointers) == (422, ["/items/0/sku"])


@pytest.mark.parametrize("body", ["x", "aGVsbG8=", "/////w=="])
def test_a_base64_body_that_holds_no_json_is_a_bad_request(body: str) -> None:
    assert post(body, isBase64Encoded=True).status == 400


@pytest.mark.parametrize("body", ["null", "[]", "7", '"text"', json.dumps(json.dumps(VALID))])
def test_json_that_is_no_object_is_unprocessable(body: str) -> None:
    response = post(body)

    assert response.problem == (422, "The order has 1 error.")
    assert response.body["errors"] == [{"pointer": "", "detail": "Input should be an object"}]


def test_all_errors_of_a_request_are_told_at_once_each_where_it_is() -> None:
    response = post({"customer_id": "a b", "items": [an_item(), an_item(quantity=0, colour="red")], "a/b~c": 1})

    assert response.problem == (422, "The order has 4 errors.")
    assert sorted(response.pointers) == ["/a~1b~0c", "/customer_id", "/items/1/colour", "/items/1/quantity"]
    details = {error["pointer"]: error["detail"] for error in response.body["errors"]}
    assert details["/items/1/quantity"] == "Input should be greater than or equal to 1"


def test_lone_surrogates_are_unprocessable() -> None:
    assert post('{"customer_id": "\\ud800", "items": [], "\\ud800": 1}').status == 422


def test_an_answer_lists_no_more_than_a_hundred_errors() -> None:
    assert len(post({f"member-{number}": 1 for number in range(1000)}).pointers) == 100


def test_a_body_larger_than_any_order_is_refused_unread() -> None:
    detail = "The body has more than 100000 characters. A valid order is shorter."

    assert post("[" * 100_001).problem == (413, detail)


def test_a_body_of_100000_characters_is_read() -> None:
    assert post(json.dumps(VALID).ljust(100_000)).status == 201


def test_the_largest_valid_order_fits() -> None:
    item = an_item(sku="\N{GRINNING FACE}" * 64, quantity=10_000, unit_price="9999999999.99")

    assert post({"customer_id": "c" * 64, "items": [item] * 100}).status == 201


@pytest.mark.parametrize(
    ("function", "method", "path", "allowed"),
    [
        (create_order, "GET", "/orders", "POST"),
        (create_order, "PATCH", "/orders", "POST"),
        (get_order, "DELETE", "/orders/1", "GET"),
    ],
)
def test_another_method_is_not_allowed(function: ModuleType, method: str, path: str, allowed: str) -> None:
    response = Response(function.lambda_handler(a_request(method, path), Context()))

    assert response.problem == (405, f"{method} is not allowed here; use {allowed}.")
    assert response.headers["Allow"] == allowed


def test_another_path_is_not_found() -> None:
    response = Response(create_order.lambda_handler(a_request("POST", "/payments", VALID), Context()))

    assert response.problem == get('"').problem == (404, "There is no such path.")


@pytest.mark.parametrize("order_id", [uuid4(), "1", "x" * 5000, "%22", "..", "é"])
def test_an_unknown_order_is_not_found(order_id: object) -> None:
    assert get(order_id).problem == (404, "There is no order with this id.")


SAME_KEY = "Repeat the request with the same Idempotency-Key: it creates no second order."


def fail(monkeypatch: pytest.MonkeyPatch, table: OrderTable, error: Exception) -> None:
    """Let the table's calls fail."""
    for method in ("create", "get"):
        monkeypatch.setattr(table, method, Mock(side_effect=error))


def test_an_outage_that_passes_by_itself_is_said_to_be_temporary(
    table: OrderTable, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    fail(monkeypatch, table, TableUnavailable("ThrottlingException"))

    for response in (post(VALID), get(uuid4())):
        assert response.problem == (503, f"The service is unavailable for the moment. Wait 2 seconds. {SAME_KEY}")
        assert response.headers["Retry-After"] == "2"
    line = log_lines(log)[0]
    assert (line["level"], line["message"]) == ("ERROR", "DynamoDB is unavailable")
    assert line["reason"] == "ThrottlingException"


ERRORS_OF_OURS = [
    ClientError({"Error": {"Code": "AccessDeniedException", "Message": "a secret"}}, "PutItem"),
    ParamValidationError(report="a secret"),
    UnreadableOrder("a secret"),
]


@pytest.mark.parametrize("error", ERRORS_OF_OURS, ids=lambda error: type(error).__name__)
def test_an_error_of_ours_is_logged_and_tells_nothing(
    table: OrderTable, monkeypatch: pytest.MonkeyPatch, log: StringIO, error: Exception
) -> None:
    fail(monkeypatch, table, error)

    for response in (post(VALID), get(uuid4())):
        assert response.problem == (500, f"The service failed and logged the error. {SAME_KEY}")
        assert response.body.keys() == {"title", "status", "detail"}
        assert "Retry-After" not in response.headers
    line = log_lines(log)[0]
    assert (line["level"], line["message"]) == ("ERROR", "Unexpected error")
    assert "a secret" in line["exception"]


def keyed(key: str, body: object = VALID, caller: str | None = "caller-1") -> Response:
    context = {"requestId": "r-1", "path": "/dev/orders", "identity": {"apiKeyId": caller}}
    headers = {"accept": ["*/*"], "idempotency-key": [key]}
    return post(body, multiValueHeaders=headers, requestContext=context)


def test_a_replayed_key_is_answered_with_the_first_order_as_it_is_now(table: OrderTable) -> None:
    first = keyed("replayed")
    now = to_item(table.get(first.body["order_id"]).processed("payment-1"))
    table._client.put_item(TableName="orders", Item=now)  # noqa: SLF001  # moto has no BatchExecuteStatement

    second = keyed("replayed")

    assert (first.status, second.status) == (201, 200)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Location"] == first.headers["Location"]
    assert second.body == first.body | {name: second.body[name] for name in ("status", "payment_id", "processed_at")}


@pytest.mark.parametrize(
    "change",
    [
        {"customer_id": "c-43"},
        {"currency": "USD"},
        {"items": [an_item(), an_item()]},
        {"items": [an_item(sku="KB-76")]},
        {"items": [an_item(quantity=3)]},
        {"items": [an_item(unit_price="349.91")]},
    ],
    ids=str,
)
def test_a_replayed_key_with_other_content_is_refused(change: dict[str, Any]) -> None:
    key = str(uuid4())
    keyed(key)

    detail = "This Idempotency-Key was used for an order with other content; use a new key for a new order."
    assert keyed(key, {**VALID, **change}).problem == (422, detail)


def test_the_same_content_in_other_words_is_a_replay() -> None:
    first = keyed("other words")

    second = keyed("other words", json.dumps(VALID).replace('"349.90"', "349.9"))

    assert (second.status, second.body["order_id"]) == (200, first.body["order_id"])


def test_one_caller_is_never_answered_anothers_order() -> None:
    callers = ("caller-1", "caller-2", None)
    responses = [keyed("shared", caller=caller) for caller in callers]

    assert [response.status for response in responses] == [201, 201, 201]
    assert [response.body["order_id"] for response in responses] == [
        str(idempotent_order_id(caller or "", "shared")) for caller in callers
    ]


@pytest.mark.parametrize("key", ["x", "~" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "a b"])
def test_a_key_of_1_to_255_printable_ascii_characters_is_taken(key: str) -> None:
    assert keyed(key).status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "tab\t", "caf\u00e9", "\ud800"])
def test_any_other_key_is_a_bad_request(key: str) -> None:
    assert keyed(key).problem == (400, "Idempotency-Key must be 1 to 255 printable ASCII characters.")


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": ["one", "two"]}, {"Idempotency-Key": ["one"], "idempotency-key": ["two"]}]
)
def test_two_different_keys_are_a_bad_request(headers: dict[str, list[str]]) -> None:
    detail = "The request has different Idempotency-Key headers; send one."

    assert post(VALID, multiValueHeaders=headers).problem == (400, detail)


def test_a_key_that_is_sent_twice_is_one_key() -> None:
    assert post(VALID, multiValueHeaders={"Idempotency-Key": ["sent twice", "sent twice"]}).status == 201
    assert keyed("sent twice").status == 200


def test_every_answer_has_the_security_headers() -> None:
    headers = {
        "Cache-Control": "no-store",
        "Strict-Transport-Security": "max-age=63072000",
        "X-Content-Type-Options": "nosniff",
    }

    for response in (post(VALID), post({}), get(uuid4()), get(post(VALID).body["order_id"])):
        assert response.headers.items() >= headers.items()


def test_the_log_tells_the_order_and_its_request_but_not_the_customer(
    log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HEADER_VARIABLE, "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0")

    responses = [keyed("logged"), keyed("logged")]

    lines = log_lines(log)
    assert [line["message"] for line in lines] == ["Order created", "Order replayed"]
    for line, response in zip(lines, responses, strict=True):
        assert (line["level"], line["order_id"]) == ("INFO", response.body["order_id"])
        assert line["trace_id"] == response.body["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
        assert line["correlation_id"] == "r-1"
        assert 0 <= line["stored_at_ms"] - line["received_at_ms"] < 10_000
    assert responses[0].body["customer_id"] not in log.getvalue()


def test_a_request_is_found_in_xray_by_its_order(annotations: dict[str, object]) -> None:
    order_id = post(VALID).body["order_id"]

    assert annotations == {"order_id": order_id, "status": "PENDING"}


def test_an_order_whose_first_put_was_answered_late_is_created(
    table: OrderTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = table.create
    monkeypatch.setattr(table, "create", lambda order: put(order) and put(order))

    response = keyed("answered late")

    assert (response.status, "Idempotent-Replayed" in response.headers) == (201, False)
    assert json.loads(capsys.readouterr().out)["OrdersCreated"] == [1]


@pytest.mark.parametrize(("body", "created"), [(VALID, 1), ({}, 0)])
def test_the_metrics_count_the_created_orders(
    capsys: pytest.CaptureFixture[str], body: dict[str, Any], created: int
) -> None:
    post(body)

    metrics = json.loads(capsys.readouterr().out)
    assert metrics["OrdersCreated"] == [created]
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert directive["Metrics"] == [{"Name": "OrdersCreated", "Unit": "Count"}]
