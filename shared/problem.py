"""Every error of the API as problem details (RFC 9457), and what a client did wrong, said where it did it."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from shared.observability import logger
from shared.order import OrderNotFound

# Far above the largest valid order (100 items), far below what Lambda can take and answer (6 MB).
MAX_BODY_CHARACTERS = 100_000
MAX_DIGITS = 100
MAX_ERRORS = 100
RETRY_AFTER_SECONDS = 2


class MalformedBody(Exception):
    """The request's body is not JSON; the message says what to change."""


class BodyTooLarge(Exception):
    """The request's body is longer than any valid order."""


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Response[str]:
    """Make an error's response. Its type is about:blank, so its title is the status's own (RFC 9457, section 4.2.1)."""
    body: dict[str, Any] = {"title": status.phrase, "status": status.value, "detail": detail}
    if errors:
        body["errors"] = errors
    return Response(
        status_code=status.value,
        content_type="application/problem+json",
        body=json.dumps(body),
        headers=dict(headers),
    )


def json_body(event: APIGatewayProxyEvent) -> Any:  # noqa: ANN401  # it is whatever the client sent
    """Read a request's body as JSON (RFC 8259), its numbers exact: int or Decimal, never float.

    Raises
    ------
    BodyTooLarge, MalformedBody
    """
    if len(event.body or "") > MAX_BODY_CHARACTERS:
        raise BodyTooLarge
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


def api(*, method: str) -> APIGatewayRestResolver:
    """Make the resolver of a function that serves one method of one route, and answers every error with a problem."""
    app = APIGatewayRestResolver()

    def no_route(_: NotFoundError) -> Response[str]:
        requested = app.current_event.http_method
        if requested == method:
            return problem(HTTPStatus.NOT_FOUND, "Nothing is here.")
        detail = f"{requested} is not allowed here; use {method}."
        return problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": method})

    app.not_found(no_route)
    for error, answer in _ANSWERS.items():
        app.exception_handler(error)(answer)
    return app


def _order_not_found(_: OrderNotFound) -> Response[str]:
    return problem(HTTPStatus.NOT_FOUND, "No order has this id.")


def _malformed_body(error: MalformedBody) -> Response[str]:
    return problem(HTTPStatus.BAD_REQUEST, str(error))


def _body_too_large(_: BodyTooLarge) -> Response[str]:
    detail = f"The body is longer than {MAX_BODY_CHARACTERS} characters, which no valid order is."
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _invalid(error: ValidationError) -> Response[str]:
    errors = [{"pointer": _pointer(fault["loc"]), "detail": fault["msg"]} for fault in error.errors()[:MAX_ERRORS]]
    faults = "1 fault" if error.error_count() == 1 else f"{error.error_count()} faults"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The order has {faults}.", errors=errors)


def _unavailable(error: ClientError | BotoCoreError) -> Response[str]:
    logger.error("DynamoDB refused or did not answer", reason=str(error))
    detail = f"The service cannot reach its orders; try again in {RETRY_AFTER_SECONDS} seconds."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _unexpected(_: Exception) -> Response[str]:
    logger.exception("Unexpected error")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "The service failed; the fault is logged.")


_ANSWERS: dict[type[Exception], Callable[[Any], Response[str]]] = {
    OrderNotFound: _order_not_found,
    MalformedBody: _malformed_body,
    BodyTooLarge: _body_too_large,
    ValidationError: _invalid,
    ClientError: _unavailable,
    BotoCoreError: _unavailable,
    Exception: _unexpected,
}


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in location)
