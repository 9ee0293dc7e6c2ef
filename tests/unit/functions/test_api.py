"""CreateOrder and GetOrder, as API Gateway calls them."""

import base64
import json
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from functions import create_order, get_order
from shared.order import Order, idempotent_order_id
from shared.order_table import OrderTable, TableUnavailable, UnreadableOrder, to_item
from shared.tracing import HEADER_VARIABLE
from tests.builders import VALID, Context, a_request, an_item, an_order
from tests.unit.conftest import log_lines


@pytest.fixture(autouse=True)
def _table(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(create_order, "orders", orders)
    monkeypatch.setattr(get_order, "orders", orders)


class Response:
    """What API Gateway makes of a function's answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.status: int = answer["statusCode"]
        self.headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        self.body: dict[str, Any] = json.loads(answer["body"])

    @property
    def pointers(self) -> list[str]:
        return [error["pointer"] for error in self.body["errors"]]


def post(body: object, **changes: object) -> Response:
    return Response(create_order.lambda_handler(a_request("POST", "/orders", body, **changes), Context()))


def get(order_id: object) -> Response:
    return Response(get_order.lambda_handler(a_request("GET", f"/orders/{order_id}"), Context()))


def test_a_valid_order_is_created_pending() -> None:
    response = post(VALID)

    assert response.status == 201
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Location"] == f"/dev/orders/{response.body['order_id']}"
    assert response.body == {
        **VALID,
        "order_id": str(UUID(response.body["order_id"])),
        "status": "PENDING",
        "total": "699.80",
        "created_at": response.body["created_at"],
    }


def test_a_created_order_can_be_read(orders: OrderTable) -> None:
    created = post(VALID)

    read = get(created.body["order_id"])

    assert (read.status, read.body) == (200, created.body)
    assert orders.get(UUID(created.body["order_id"])).total == Order.model_validate(created.body).total


def test_two_equal_requests_are_two_orders() -> None:
    assert post(VALID).body["order_id"] != post(VALID).body["order_id"]


def test_a_body_in_base64_is_read() -> None:
    assert post(base64.b64encode(json.dumps(VALID).encode()).decode(), isBase64Encoded=True).status == 201


@pytest.mark.parametrize("quantity", ["2.0", "2e0", "0.2E1"])
def test_a_whole_quantity_is_whole_however_it_is_written(quantity: str) -> None:
    body = json.dumps(VALID).replace('"quantity": 2', f'"quantity": {quantity}')

    assert post(body).body["items"][0]["quantity"] == 2


@pytest.mark.parametrize("quantity", ["2.5", "1e99999", "1e-99999", "0.0", "1e5"])
def test_any_other_number_is_no_quantity(quantity: str) -> None:
    response = post(json.dumps(VALID).replace('"quantity": 2', f'"quantity": {quantity}'))

    assert (response.status, response.pointers) == (422, ["/items/0/quantity"])


@pytest.mark.parametrize("price", ["349.9", "349.90", "34990e-2"])
def test_a_price_as_a_json_number_stays_exact(price: str) -> None:
    body = json.dumps(VALID).replace('"349.90"', price)

    assert post(body).body["items"][0]["unit_price"] == "349.90"


def test_a_price_with_more_digits_than_a_float_holds_is_refused_not_rounded() -> None:
    response = post(json.dumps(VALID).replace('"349.90"', "349.900000000000000001"))

    assert (response.status, response.pointers) == (422, ["/items/0/unit_price"])


EMPTY = "The body is empty; send an order as JSON."
NESTED = "The body is nested too deeply."


def out_of_range(number: str) -> str:
    return f"The body is not valid JSON: the number {number} is outside the range that JSON implementations support."


MALFORMED = {
    "nothing": (None, EMPTY),
    "an empty body": ("", EMPTY),
    "no JSON": ("{", "The body is not valid JSON: Expecting property name enclosed in double quotes: "),
    "a trailing comma": ('{"sku": 1,}', "The body is not valid JSON: Illegal trailing comma before end of object: "),
    "NaN": ("[NaN]", out_of_range("NaN")),
    "Infinity": ("[-Infinity]", out_of_range("-Infinity")),
    "an endless integer": (f"[{'9' * 101}]", out_of_range(f"{'9' * 100}...")),
    "an endless exponent": (f"[1e{'9' * 101}]", out_of_range(f"1e{'9' * 98}...")),
    "deep nesting": ("[" * 50_000, NESTED),
    "deep nesting of objects": ('{"a":' * 10_000, NESTED),
}


@pytest.mark.parametrize(("body", "detail"), MALFORMED.values(), ids=MALFORMED.keys())
def test_a_body_that_is_no_json_is_a_bad_request(body: str | None, detail: str) -> None:
    response = post(body)

    assert (response.status, response.body["title"]) == (400, "Bad Request")
    assert response.body["detail"] == detail or (detail.endswith(": ") and response.body["detail"].startswith(detail))
    assert response.headers["Content-Type"] == "application/problem+json"


CAFE = json.dumps({**VALID, "items": [an_item(sku="caf\N{REPLACEMENT CHARACTER}")]}, ensure_ascii=False)
LATIN_1 = CAFE.replace("\N{REPLACEMENT CHARACTER}", "é").encode("latin-1")


@pytest.mark.parametrize(
    ("body", "is_base64"),
    [(CAFE, False), (base64.b64encode(LATIN_1).decode(), True), (base64.b64encode(CAFE.encode()).decode(), True)],
    ids=["API Gateway has decoded it", "base64", "base64 of what was decoded before"],
)
def test_bytes_that_are_not_utf8_are_a_bad_request(body: str, *, is_base64: bool) -> None:
    response = post(body, isBase64Encoded=is_base64)

    position = LATIN_1.index(b"\xe9")
    assert response.status == 400
    assert response.body["detail"] == f"The body is not UTF-8: byte {position} cannot be read, or is U+FFFD."


def test_a_replacement_character_that_is_escaped_is_refused_where_it_is() -> None:
    response = post({**VALID, "items": [an_item(sku="caf\N{REPLACEMENT CHARACTER}")]})

    assert (response.status, response.pointers) == (422, ["/items/0/sku"])


@pytest.mark.parametrize("body", ['{"sku": 1, "sku": 1}', '[{"a": {"sku": 1, "b": 2, "s\\u006bu": 3}}]'])
def test_a_name_twice_in_an_object_is_a_bad_request(body: str) -> None:
    response = post(body)

    assert response.status == 400
    assert response.body["detail"] == 'The body is not valid JSON: the name "sku" occurs twice in an object.'


def test_a_number_of_a_hundred_digits_is_read() -> None:
    assert post(json.dumps(VALID).replace('"quantity": 2', f'"quantity": {"9" * 100}')).status == 422


@pytest.mark.parametrize("body", ["x", "aGVsbG8=", "/////w=="])
def test_a_base64_body_that_holds_no_json_is_a_bad_request(body: str) -> None:
    assert post(body, isBase64Encoded=True).status == 400


@pytest.mark.parametrize("body", ["null", "[]", "7", '"text"', json.dumps(json.dumps(VALID))])
def test_json_that_is_no_object_is_unprocessable(body: str) -> None:
    response = post(body)

    assert (response.status, response.body["detail"]) == (422, "The order has 1 error.")
    assert response.body["errors"] == [{"pointer": "", "detail": "Input should be an object"}]


def test_all_errors_of_a_request_are_told_at_once_each_where_it_is() -> None:
    response = post({"customer_id": "a b", "items": [an_item(), an_item(quantity=0, colour="red")], "a/b~c": 1})

    assert response.status == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert sorted(response.pointers) == ["/a~1b~0c", "/customer_id", "/items/1/colour", "/items/1/quantity"]
    assert response.body["title"] == "Unprocessable Content"
    assert response.body["detail"] == "The order has 4 errors."
    details = {error["pointer"]: error["detail"] for error in response.body["errors"]}
    assert details["/items/1/quantity"] == "Input should be greater than or equal to 1"


def test_lone_surrogates_are_unprocessable() -> None:
    assert post('{"customer_id": "\\ud800", "items": [], "\\ud800": 1}').status == 422


def test_an_answer_lists_no_more_than_a_hundred_errors() -> None:
    assert len(post({f"member-{number}": 1 for number in range(1000)}).pointers) == 100


def test_a_body_larger_than_any_order_is_refused_unread() -> None:
    response = post("[" * 100_001)

    assert response.status == 413
    assert response.body["detail"] == "The body has more than 100000 characters. A valid order is shorter."


def test_a_body_of_100000_characters_is_read() -> None:
    assert post(json.dumps(VALID).ljust(100_000)).status == 201


def test_the_largest_valid_order_fits() -> None:
    item = an_item(sku="\N{GRINNING FACE}" * 64, quantity=10_000, unit_price="9999999999.99")

    assert post({"customer_id": "c" * 64, "items": [item] * 100}).status == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_than_post_is_not_allowed(method: str) -> None:
    response = Response(create_order.lambda_handler(a_request(method, "/orders"), Context()))

    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert response.body["detail"] == f"{method} is not allowed here; use POST."


def test_another_method_than_get_is_not_allowed_on_an_order() -> None:
    response = Response(get_order.lambda_handler(a_request("DELETE", f"/orders/{uuid4()}"), Context()))

    assert (response.status, response.headers["Allow"]) == (405, "GET")


def test_another_path_is_not_found() -> None:
    response = Response(create_order.lambda_handler(a_request("POST", "/payments", VALID), Context()))

    assert (response.status, response.body["detail"]) == (404, "There is no such path.")


@pytest.mark.parametrize("order_id", ["x" * 5000, "a\x00b", "%22", '"', "..", "é"])
def test_an_unknown_order_is_not_found(order_id: object) -> None:
    response = get(order_id)

    assert (response.status, response.body["status"]) == (404, 404)
    assert response.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("order_id", [uuid4(), "1"])
def test_an_unknown_order_is_said_not_to_exist(order_id: object) -> None:
    assert get(order_id).body == {"title": "Not Found", "status": 404, "detail": "There is no order with this id."}


def test_a_settled_order_tells_what_became_of_it(orders: OrderTable) -> None:
    order = orders.create(an_order().processed("payment-1"))

    body = get(order.order_id).body

    assert (body["status"], body["payment_id"]) == ("PROCESSED", "payment-1")
    assert "declined_at" not in body


SAME_KEY = "Repeat the request with the same Idempotency-Key: it creates no second order."


def fail(monkeypatch: pytest.MonkeyPatch, orders: OrderTable, error: Exception) -> None:
    """Let the table's calls fail."""

    def call(_: object) -> None:
        raise error

    monkeypatch.setattr(orders, "create", call)
    monkeypatch.setattr(orders, "get", call)


def test_an_outage_that_passes_by_itself_is_said_to_be_temporary(
    orders: OrderTable, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    fail(monkeypatch, orders, TableUnavailable("ThrottlingException"))

    for response in (post(VALID), get(uuid4())):
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.body["detail"] == f"The service is unavailable for the moment. Wait 2 seconds. {SAME_KEY}"
    line = log_lines(log)[0]
    assert (line["level"], line["message"]) == ("ERROR", "DynamoDB is unavailable")
    assert line["reason"] == "ThrottlingException"


ERRORS_OF_OURS = [
    ClientError({"Error": {"Code": "AccessDeniedException", "Message": "a secret"}}, "PutItem"),
    ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "a secret"}}, "PutItem"),
    ParamValidationError(report="a secret"),
    UnreadableOrder("a secret"),
]


@pytest.mark.parametrize("error", ERRORS_OF_OURS, ids=lambda error: type(error).__name__)
def test_an_error_of_ours_is_logged_and_tells_nothing(
    orders: OrderTable, monkeypatch: pytest.MonkeyPatch, log: StringIO, error: Exception
) -> None:
    fail(monkeypatch, orders, error)

    for response in (post(VALID), get(uuid4())):
        assert (response.status, response.headers["Content-Type"]) == (500, "application/problem+json")
        assert "Retry-After" not in response.headers
        assert response.body == {
            "title": "Internal Server Error",
            "status": 500,
            "detail": f"The service failed and logged the error. {SAME_KEY}",
        }
    line = log_lines(log)[0]
    assert (line["level"], line["message"]) == ("ERROR", "Unexpected error")
    assert "a secret" in line["exception"]


def test_a_retried_put_never_sets_a_settled_order_back(orders: OrderTable) -> None:
    order = an_order()
    settled = orders.create(order.processed("payment-1"))

    assert orders.create(order) == settled
    assert orders.get(order.order_id) == settled


def keyed(key: str, body: object = VALID, caller: str | None = "caller-1") -> Response:
    context = {"requestId": "r-1", "path": "/dev/orders", "identity": {"apiKeyId": caller}}
    return post(body, multiValueHeaders={"idempotency-key": [key]}, requestContext=context)


def test_a_replayed_key_is_answered_with_the_first_order_as_it_is_now(orders: OrderTable) -> None:
    first = keyed("replayed")
    orders_now = orders.get(first.body["order_id"]).processed("payment-1")
    orders._client.put_item(TableName=orders.name, Item=to_item(orders_now))  # noqa: SLF001  # moto knows no batch

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

    response = keyed(key, {**VALID, **change})

    assert (response.status, response.headers["Content-Type"]) == (422, "application/problem+json")
    assert response.body["detail"] == (
        "This Idempotency-Key was used for an order with other content; use a new key for a new order."
    )


def test_the_same_content_in_other_words_is_a_replay() -> None:
    first = keyed("other words")

    second = keyed("other words", json.dumps(VALID).replace('"349.90"', "349.9"))

    assert (second.status, second.body["order_id"]) == (200, first.body["order_id"])


def test_one_caller_is_never_answered_anothers_order() -> None:
    mine, theirs = keyed("shared", caller="caller-1"), keyed("shared", caller="caller-2")

    assert (mine.status, theirs.status) == (201, 201)
    assert mine.body["order_id"] != theirs.body["order_id"]


def test_an_order_of_a_caller_without_an_api_key_has_its_own_id() -> None:
    assert keyed("no caller", caller=None).body["order_id"] == str(idempotent_order_id("", "no caller"))


def test_requests_without_a_key_are_never_replays() -> None:
    assert [post(VALID).status for _ in range(2)] == [201, 201]


@pytest.mark.parametrize("key", ["x", "~" * 255, "8e03978e-40d5-43dd-bc93-6894a57f9324", '"quoted"', "a b"])
def test_a_key_of_1_to_255_printable_ascii_characters_is_taken(key: str) -> None:
    assert keyed(key).status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", "tab\t", "caf\u00e9", "\ud800"])
def test_any_other_key_is_a_bad_request(key: str) -> None:
    response = keyed(key)

    assert (response.status, response.headers["Content-Type"]) == (400, "application/problem+json")
    assert response.body["detail"] == "Idempotency-Key must be 1 to 255 printable ASCII characters."


@pytest.mark.parametrize(
    "headers", [{"Idempotency-Key": ["one", "two"]}, {"Idempotency-Key": ["one"], "idempotency-key": ["two"]}]
)
def test_two_different_keys_are_a_bad_request(headers: dict[str, list[str]]) -> None:
    response = post(VALID, multiValueHeaders=headers)

    assert response.status == 400
    assert response.body["detail"] == "The request has different Idempotency-Key headers; send one."


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
    assert responses[0].body["customer_id"] not in log.getvalue()


def test_a_request_is_found_in_xray_by_its_order(annotations: dict[str, object]) -> None:
    order_id = post(VALID).body["order_id"]

    assert annotations == {"order_id": order_id, "status": "PENDING"}


def test_an_order_whose_first_put_was_answered_late_is_created(
    orders: OrderTable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = orders.create

    def put_twice(order: Order) -> Order:
        put(order)
        return put(order)

    monkeypatch.setattr(orders, "create", put_twice)

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


@pytest.mark.parametrize("path", ["/orders", "/orders/"])
def test_the_location_is_the_path_of_the_order(path: str) -> None:
    response = Response(create_order.lambda_handler(a_request("POST", path, VALID), Context()))

    assert response.headers["Location"] == f"/dev/orders/{response.body['order_id']}"
