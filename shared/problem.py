"""Every error of the API as problem details (RFC 9457)."""

import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import Response
from pydantic import ValidationError

from shared.observability import logger
from shared.order import IdempotencyKeyReused, OrderNotFound
from shared.order_table import TableUnavailable

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MAX_ERRORS = 100
RETRY_AFTER_SECONDS = 2
# A request that failed may have stored its order: the answer to the write can get lost.
REPEAT = "Repeat the request with the same Idempotency-Key: it creates no second order."

# Headers of every response: no cache may store an order, and no browser may take JSON for another type.
SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
}


class MalformedRequest(Exception):
    """The request's body is not JSON, or its Idempotency-Key is not valid; the message says what to change."""


class BodyTooLarge(Exception):
    """The request's body is longer than any valid order; the message says what the limit is."""


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
        headers={**SECURITY_HEADERS, **headers},
    )


def _answer(status: HTTPStatus, detail: str | None = None) -> Callable[[Exception], Response[str]]:
    """Make the answer to an error: with a fixed detail, or with the error's message."""
    return lambda error: problem(status, detail or str(error))


def _invalid(error: ValidationError) -> Response[str]:
    errors = [{"pointer": _pointer(each["loc"]), "detail": _detail(each)} for each in error.errors()[:MAX_ERRORS]]
    count = "1 error" if error.error_count() == 1 else f"{error.error_count()} errors"
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"The order has {count}.", errors=errors)


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in location)


def _detail(error: "ErrorDetails") -> str:
    return "Input should be an object" if error["type"] == "model_type" else error["msg"]  # without our class's name


def _unavailable(error: TableUnavailable) -> Response[str]:
    logger.error("DynamoDB is unavailable", reason=str(error))
    detail = f"The service is unavailable for the moment. Wait {RETRY_AFTER_SECONDS} seconds. {REPEAT}"
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def _unexpected(_: Exception) -> Response[str]:
    logger.exception("Unexpected error")
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"The service failed and logged the error. {REPEAT}")


_KEY_REUSED = "This Idempotency-Key was used for an order with other content; use a new key for a new order."

RESPONSES: dict[type[Exception], Callable[[Any], Response[str]]] = {
    OrderNotFound: _answer(HTTPStatus.NOT_FOUND, "There is no order with this id."),
    IdempotencyKeyReused: _answer(HTTPStatus.UNPROCESSABLE_ENTITY, _KEY_REUSED),
    MalformedRequest: _answer(HTTPStatus.BAD_REQUEST),
    BodyTooLarge: _answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
    ValidationError: _invalid,
    TableUnavailable: _unavailable,
    Exception: _unexpected,
}
