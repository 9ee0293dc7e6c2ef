"""What the API's functions share: a resolver that answers errors with problems, reading requests, showing an order."""

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent

from shared.order import Order
from shared.problem import ANSWERS, SECURITY_HEADERS, BodyTooLarge, MalformedBody, MalformedKey, problem

# Far above the largest valid order (100 items), far below what Lambda can take and answer (6 MB).
MAX_BODY_CHARACTERS = 100_000
MAX_DIGITS = 100
MAX_KEY_CHARACTERS = 255


def resolver(*, method: str) -> APIGatewayRestResolver:
    """Make the resolver of a function that serves one method of one route."""
    app = APIGatewayRestResolver()

    def no_route(_: NotFoundError) -> Response[str]:
        requested = app.current_event.http_method
        if requested == method:
            return problem(HTTPStatus.NOT_FOUND, "Nothing is here.")
        detail = f"{requested} is not allowed here; use {method}."
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": method})

    app.not_found(no_route)
    for error, answer in ANSWERS.items():
        app.exception_handler(error)(answer)
    return app


def show(order: Order, status: HTTPStatus, headers: Mapping[str, str] = MappingProxyType({})) -> Response[str]:
    """Answer with an order."""
    return Response(
        status_code=status.value,
        content_type="application/json",
        body=order.model_dump_json(exclude_none=True),
        headers={**SECURITY_HEADERS, **headers},
    )


def idempotency_key(event: APIGatewayProxyEvent) -> str | None:
    """Read the header Idempotency-Key (IETF draft "The Idempotency-Key HTTP Header Field").

    Raises
    ------
    MalformedKey
    """
    key = event.headers.get("Idempotency-Key")
    if key is None or (0 < len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        return key
    raise MalformedKey(f"Idempotency-Key has to be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.")


def json_body(event: APIGatewayProxyEvent) -> Any:  # noqa: ANN401  # it is whatever the client sent
    """Read a request's body as JSON (RFC 8259), its numbers exact: int or Decimal, never float.

    Raises
    ------
    BodyTooLarge, MalformedBody
    """
    if len(event.body or "") > MAX_BODY_CHARACTERS:
        raise BodyTooLarge(f"The body is longer than {MAX_BODY_CHARACTERS} characters, which no valid order is.")
    try:
        return json.loads(event.decoded_body or "", parse_int=_integer, parse_float=_decimal, parse_constant=_refuse)
    except RecursionError:
        raise MalformedBody("The body is nested too deep.") from None
    except ValueError as error:
        raise MalformedBody(f"The body is not JSON: {error}.") from None


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else _refuse(f"{digits[:MAX_DIGITS]}...")


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        _refuse(f"{digits[:MAX_DIGITS]}...")


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number} is no number that JSON's readers agree on (RFC 8259, section 6)")
