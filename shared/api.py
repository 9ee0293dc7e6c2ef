"""What the API's functions share: the resolver, reading a request, and the response with an order."""

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
from shared.problem import RESPONSES, SECURITY_HEADERS, BodyTooLarge, MalformedRequest, problem

# Far above the largest valid order (100 items), far below what Lambda can take and answer (6 MB).
MAX_BODY_CHARACTERS = 100_000
MAX_DIGITS = 100
MAX_SHOWN = 64
MAX_KEY_CHARACTERS = 255


def resolver(*, method: str) -> APIGatewayRestResolver:
    """Make the resolver of a function that serves one method of one route."""
    app = APIGatewayRestResolver(json_body_deserializer=_exact_json)

    def no_route(_: NotFoundError) -> Response[str]:
        requested = app.current_event.http_method
        if requested == method:
            return problem(HTTPStatus.NOT_FOUND, "There is no such path.")
        detail = f"{requested} is not allowed here; use {method}."
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": method})

    app.not_found(no_route)
    for error, response in RESPONSES.items():
        app.exception_handler(error)(response)
    return app


def order_response(
    order: Order, status: HTTPStatus, headers: Mapping[str, str] = MappingProxyType({})
) -> Response[str]:
    """Make the response with an order."""
    return Response(
        status_code=status.value,
        content_type="application/json",
        body=order.to_json(),
        headers={**SECURITY_HEADERS, **headers},
    )


def idempotency_key(event: APIGatewayProxyEvent) -> str | None:
    """Read the header Idempotency-Key (IETF draft "The Idempotency-Key HTTP Header Field").

    Raises
    ------
    MalformedRequest
    """
    headers = event.get("multiValueHeaders") or {}  # with every value; Powertools keeps one of two spellings of a name
    keys = {key for name, values in headers.items() if name.lower() == "idempotency-key" for key in values}
    if len(keys) > 1:
        raise MalformedRequest("The request has different Idempotency-Key headers; send one.")
    key: str | None = next(iter(keys), None)
    if key is None or (0 < len(key) <= MAX_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        return key
    raise MalformedRequest(f"Idempotency-Key must be 1 to {MAX_KEY_CHARACTERS} printable ASCII characters.")


def json_body(event: APIGatewayProxyEvent) -> Any:  # noqa: ANN401  # whatever the client sent
    """Read a request's body as JSON (RFC 8259), its numbers exact: int or Decimal, never float.

    API Gateway passes a body on as text. Bytes that are not UTF-8 arrive as U+FFFD, and different bytes look the same.
    No valid order contains U+FFFD, so a body with it is refused.

    Raises
    ------
    BodyTooLarge, MalformedRequest
    """
    if len(event.body or "") > MAX_BODY_CHARACTERS:
        raise BodyTooLarge(f"The body has more than {MAX_BODY_CHARACTERS} characters. A valid order is shorter.")
    try:
        text = event.decoded_body
        if not text:
            raise MalformedRequest("The body is empty; send an order as JSON.")
        if (lost := text.find("\N{REPLACEMENT CHARACTER}")) >= 0:
            raise _not_utf8(len(text[:lost].encode()))
        body = event.json_body
    except UnicodeDecodeError as error:
        raise _not_utf8(error.start) from None
    except RecursionError:
        raise MalformedRequest("The body is nested too deeply.") from None
    except ValueError as error:
        raise MalformedRequest(f"The body is not valid JSON: {error}.") from None
    # Powertools' parser would read a string as JSON again. None is refused, like everything else that is not an object.
    return None if isinstance(body, str) else body


def _not_utf8(position: int) -> MalformedRequest:
    return MalformedRequest(f"The body is not UTF-8: byte {position} cannot be read, or is U+FFFD.")


def _exact_json(text: str) -> Any:  # noqa: ANN401  # as above
    return json.loads(
        text,
        parse_int=_integer,
        parse_float=_decimal,
        parse_constant=_refuse_number,
        object_pairs_hook=_distinct_names,
    )


def _distinct_names(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 8259, section 4, leaves open which of two members with one name counts."""
    read: dict[str, Any] = {}
    for name, value in members:
        if name in read:
            raise ValueError(f"the name {json.dumps(name[:MAX_SHOWN])} occurs twice in an object")
        read[name] = value
    return read


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= MAX_DIGITS else _refuse_number(f"{digits[:MAX_DIGITS]}...")


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        _refuse_number(f"{digits[:MAX_DIGITS]}...")


def _refuse_number(number: str) -> NoReturn:
    """RFC 8259, section 6, lets implementations set limits on range and precision; it has no NaN and no Infinity."""
    raise ValueError(f"the number {number} is outside the range that JSON implementations support")
