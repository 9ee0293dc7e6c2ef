"""Every answer of the API, for openapi.json: each made by the code that gives it, so that none is untrue."""

import json
import subprocess
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from botocore.exceptions import BotoCoreError

from shared.api import MAX_BODY_CHARACTERS, idempotency_key, json_body, order_response, resolver
from shared.order import IdempotencyKeyReused, NewOrder, Order, OrderNotFound
from shared.problem import RESPONSES

ROOT = Path(__file__).parents[1]

ITEM = {"sku": "KB-75", "quantity": 2, "unit_price": "349.90"}
NEW_ORDER = {"customer_id": "c-42", "currency": "BRL", "items": [ITEM]}
FAULTY_ORDER = {"customer_id": "not valid!", "items": [{**ITEM, "quantity": 0, "colour": "red"}]}

_placed = {
    **NEW_ORDER,
    "order_id": "6e1f8a1c-0b57-4f0e-9a55-2f9f0c1f7d3a",
    "status": "PENDING",
    "created_at": "2026-11-24T12:00:00.000Z",
    "trace_header": "Root=1-6a038a40-3c5d7a9be1f04862d3b5a7c9",
}
_receipt = {"processed_at": "2026-11-24T12:00:02.104Z", "payment_id": "0c9ff9d1-6f0a-5f3e-8f0b-7a1c4f6f2b7d"}
_refusal = {"declined_at": "2026-11-24T12:00:02.104Z", "decline_reason": "insufficient funds"}
PENDING = Order.model_validate(_placed)
PROCESSED = Order.model_validate({**_placed, **_receipt, "status": "PROCESSED"})
DECLINED = Order.model_validate({**_placed, **_refusal, "status": "DECLINED"})

# When API Gateway answers itself, by the type of its response (resources/gateway-responses.js).
_API_GATEWAY = {
    "INVALID_API_KEY": "API Gateway's own: the API key is missing or unknown.",
    "REQUEST_TOO_LARGE": "API Gateway's own: the body is longer than 10 MB.",
    "THROTTLED": "API Gateway's own: the requests come too fast.",
    "QUOTA_EXCEEDED": "API Gateway's own: the API key has made all its requests of the day.",
    "DEFAULT_5XX": "API Gateway's own: the function crashed or ran out of time.",
    "INTEGRATION_TIMEOUT": "API Gateway's own: the function did not answer.",
}
_READ_GATEWAY_RESPONSES = """require("./resources/gateway-responses.js")({ resolveVariable: async () => "" })
    .then(({ Resources }) => console.log(JSON.stringify(Object.values(Resources).map((it) => it.Properties))))"""


class Answer(NamedTuple):
    """An answer, and when it is given."""

    name: str
    when: str
    status: HTTPStatus
    headers: Mapping[str, str]
    body: Any


def of_create_order() -> list[Answer]:
    """Make what CreateOrder answers."""
    location = {"Location": f"/orders/{PENDING.order_id}"}
    created = order_response(PENDING, HTTPStatus.CREATED, location)
    replayed = order_response(PROCESSED, HTTPStatus.OK, location | {"Idempotent-Replayed": "true"})
    too_large = "x" * (MAX_BODY_CHARACTERS + 1)
    return [
        _shown("created", "The order is registered.", created),
        _shown("replayed", "The Idempotency-Key has this order already.", replayed),
        _error("no_json", "The body is not JSON.", lambda: json_body(_request(body='{"customer_id": "c-42",}'))),
        _error("no_key", "The Idempotency-Key is not one.", lambda: idempotency_key(_request(key="x" * 256))),
        _error("too_large", "The body is longer than any order.", lambda: json_body(_request(body=too_large))),
        _error("invalid", "The order is not valid.", lambda: NewOrder.model_validate(FAULTY_ORDER)),
        _error("key_reused", "The Idempotency-Key has another order.", lambda: _raise(IdempotencyKeyReused())),
        *_of_both(),
    ]


def of_get_order() -> list[Answer]:
    """Make what GetOrder answers."""
    return [
        _shown("pending", "The order waits for its payment.", order_response(PENDING, HTTPStatus.OK)),
        _shown("processed", "The payment went through.", order_response(PROCESSED, HTTPStatus.OK)),
        _shown("declined", "The payment was refused.", order_response(DECLINED, HTTPStatus.OK)),
        _error("unknown", "No order has this id.", lambda: _raise(OrderNotFound())),
        *_of_both(),
    ]


def of_another_method(method: str, path: str, allowed: str) -> Answer:
    """Make what a method is answered that is not the path's own."""
    event: dict[str, Any] = {"httpMethod": method, "path": path, "headers": {}, "body": None, "requestContext": {}}
    answer = resolver(method=allowed).resolve(event, None)  # type: ignore[arg-type]  # it needs no context
    headers = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
    when = "Another method than the path's own."
    return Answer("not_allowed", when, HTTPStatus(answer["statusCode"]), headers, json.loads(answer["body"]))


def of_api_gateway() -> list[Answer]:
    """Make what API Gateway answers itself."""
    command = ["node", "--eval", _READ_GATEWAY_RESPONSES]
    printed = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout
    by_type = {response["ResponseType"]: response for response in json.loads(printed)}
    return [_by_gateway(by_type[name], when) for name, when in _API_GATEWAY.items()]


def _of_both() -> list[Answer]:
    return [
        _error("failed", "The service failed.", lambda: _raise(Exception())),
        _error("away", "DynamoDB throttles or is away.", lambda: _raise(BotoCoreError())),
    ]


def _by_gateway(response: dict[str, Any], when: str) -> Answer:
    quoted = response["ResponseParameters"].items()
    headers = {name.removeprefix("gatewayresponse.header."): value.strip("'") for name, value in quoted}
    status = HTTPStatus(int(response.get("StatusCode", HTTPStatus.BAD_GATEWAY)))
    body = json.loads(response["ResponseTemplates"]["application/json"])
    return Answer(response["ResponseType"].lower(), when, status, headers, body)


def _error(name: str, when: str, action: Callable[[], object]) -> Answer:
    try:
        action()
    except Exception as error:  # noqa: BLE001  # whatever it is, the service has an answer
        answer = next(RESPONSES[kind] for kind in type(error).__mro__ if kind in RESPONSES)
        return _shown(name, when, answer(error))
    raise AssertionError(f"{name} is no error")


def _raise(error: Exception) -> None:
    raise error


def _shown(name: str, when: str, response: Response[str]) -> Answer:
    headers = {key: str(value) for key, value in response.headers.items()}
    return Answer(name, when, HTTPStatus(response.status_code), headers, json.loads(response.body or ""))


def _request(*, body: str | None = None, key: str | None = None) -> APIGatewayProxyEvent:
    headers = {"Idempotency-Key": key} if key else {}
    return APIGatewayProxyEvent({"body": body, "headers": headers})
