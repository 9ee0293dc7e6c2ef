"""`npm run openapi`: writes openapi.json, the API's contract (OpenAPI 3.1), from the models that the service uses.

Powertools can write such a document from the routes of a function, but only with `enable_validation`, which makes each
cold start slower, and without the answers of API Gateway.
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic.json_schema import models_json_schema

from local.service import ROOT
from shared.api import MAX_BODY_CHARACTERS, MAX_KEY_CHARACTERS
from shared.order import NewOrder, Order
from shared.problem import MAX_ERRORS, REPEAT
from tools.examples import NEW_ORDER

DOCUMENT = ROOT / "openapi.json"

# Every member of the models needs an entry here.
MEMBERS = {
    "customer_id": "The customer, by the client's own id.",
    "currency": "ISO 4217 code.",
    "items": "What is ordered.",
    "sku": "The article. No control, format or unassigned characters (Unicode's category C).",
    "quantity": "How many.",
    "unit_price": "More than 0, up to 10 digits and 2 decimals. Sent as a string or a number, shown as a string.",
    "order_id": "The service's id of the order.",
    "status": "PENDING until the payment is PROCESSED or DECLINED, which are both final.",
    "created_at": "When the order was created, in UTC.",
    "attempts": "How many attempts to pay have failed. Absent if none has.",
    "due_at": "When the next attempt to pay is due, in UTC. Only of PENDING orders whose payment has failed.",
    "processed_at": "When the payment was recorded, in UTC. Only of PROCESSED orders.",
    "payment_id": "The payment provider's id of the payment. Only of PROCESSED orders.",
    "declined_at": "When the refusal was recorded, in UTC. Only of DECLINED orders.",
    "decline_reason": "Why the payment was refused. Only of DECLINED orders.",
    "total": "What the customer pays: the sum of quantity x unit_price.",
    "trace_id": "The X-Ray trace of the order. Only of traced orders.",
}
PENDING = {
    **NEW_ORDER,
    "order_id": "6e1f8a1c-0b57-4f0e-9a55-2f9f0c1f7d3a",
    "status": "PENDING",
    "created_at": "2026-11-24T12:00:00.000Z",
    "trace_header": "Root=1-6a038a40-3c5d7a9be1f04862d3b5a7c9",
}
SETTLED_AT = "2026-11-24T12:00:02.104Z"
ORDERS = {
    "pending": PENDING,
    "failing": {**PENDING, "attempts": 1, "due_at": "2026-11-24T12:00:32.104Z"},
    "processed": {**PENDING, "status": "PROCESSED", "processed_at": SETTLED_AT, "payment_id": "0c9ff9d1-6f0a-5f3e"},
    "declined": {
        **PENDING,
        "status": "DECLINED",
        "declined_at": SETTLED_AT,
        "decline_reason": "insufficient funds",
    },
}
# The errors of both operations come first.
PROBLEMS = {
    403: "The API key is missing or unknown.",
    429: "The API key sends too many requests; Retry-After says when to continue.",
    500: f"The service failed. {REPEAT}",
    502: f"The service failed. {REPEAT}",
    503: f"The database is unavailable; Retry-After says when to continue. {REPEAT}",
    504: f"The service did not answer in time. {REPEAT}",
    400: "The body is not JSON, or the Idempotency-Key is not valid.",
    404: "There is no order with this id.",
    405: "The path has another method, which Allow names.",
    413: "The body is longer than any valid order.",
    422: "The order is not valid (`errors` has every fault), or the Idempotency-Key belongs to another order.",
}
OF_BOTH = (403, 429, 500, 502, 503, 504)
HEADERS: dict[str, dict[str, Any]] = {
    "Location": {"description": "The order's path.", "schema": {"type": "string", "pattern": "/orders/[0-9a-f-]{36}$"}},
    "Idempotent-Replayed": {"description": "Always true.", "schema": {"const": "true"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Allow": {"description": "The path's method.", "schema": {"enum": ["GET", "POST"]}},
}
HEADERS_OF_PROBLEMS = {405: ["Allow"], **{status: ["Retry-After"] for status in (429, 502, 503, 504)}}
PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457). Its type is about:blank.",
    "required": ["detail"],
    "properties": {
        "title": {"type": "string", "description": "The status's own name."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, and what to do."},
        "errors": {"type": "array", "maxItems": MAX_ERRORS, "items": {"$ref": "#/components/schemas/Fault"}},
    },
}
FAULT = {
    "type": "object",
    "required": ["pointer", "detail"],
    "properties": {
        "pointer": {"type": "string", "description": "Where in the body: a JSON Pointer (RFC 6901)."},
        "detail": {"type": "string", "description": "What is wrong there."},
    },
}
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "With a new key for each order a request can be repeated safely: the same key and content are"
    " answered with the first order. HTTP strips blanks at both ends.",
    "schema": {"type": "string", "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
}
ORDER_ID = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
    "example": PENDING["order_id"],
}
AWS_URL = {
    "url": "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}",
    "description": "npm run deploy",
    "variables": {
        "api_id": {"default": "API_ID", "description": "Part of the URL that the deploy prints."},
        "region": {"default": "us-east-1"},
        "stage": {"default": "dev", "enum": ["dev", "prod"]},
    },
}


def main() -> None:
    """Write openapi.json."""
    DOCUMENT.write_text(to_text(document()), encoding="utf-8")
    print(f"Wrote {DOCUMENT.name}.")


def to_text(document: dict[str, Any]) -> str:
    """Lay the document out as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """Make the document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order processor",
            "version": "1.0.0",
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Takes purchase orders and has them paid. Every error is a problem (RFC 9457).",
        },
        "servers": [{"url": "http://127.0.0.1:3000", "description": "npm start: needs no API key"}, AWS_URL],
        "security": [{"ApiKey": []}, {}],
        "paths": {"/orders": {"post": _create_order()}, "/orders/{order_id}": {"get": _get_order()}},
        "components": {
            "schemas": _schemas(),
            "responses": {_name(status): _problem(status) for status in PROBLEMS},
            "securitySchemes": {
                "ApiKey": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-api-key",
                    "description": "Every deployed stage needs it, the local run does not.",
                }
            },
        },
    }


def _create_order() -> dict[str, Any]:
    replayed = _order("The Idempotency-Key has created this order before.", "Location", "Idempotent-Replayed")
    return {
        "operationId": "createOrder",
        "summary": "Create an order",
        "description": "The order is stored as PENDING, and its payment follows.",
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {
            "required": True,
            "description": f"Up to {MAX_BODY_CHARACTERS:,} characters. If a member is sent twice, the last one counts.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/NewOrder"}, "example": NEW_ORDER}
            },
        },
        "responses": {
            "200": replayed,
            "201": _order("The order is created.", "Location", examples=["pending"]),
            **_problems(400, 413, 422),
        },
    }


def _get_order() -> dict[str, Any]:
    return {
        "operationId": "getOrder",
        "summary": "Show an order as it is now",
        "parameters": [ORDER_ID],
        "responses": {"200": _order("The order.", examples=tuple(ORDERS)), **_problems(404)},
    }


def _order(description: str, *headers: str, examples: Sequence[str] = ()) -> dict[str, Any]:
    orders = {name: Order.model_validate(ORDERS[name]) for name in examples}
    shown = {name: {"value": order.model_dump(mode="json", exclude_none=True)} for name, order in orders.items()}
    return _response(description, headers, "application/json", "Order", {"examples": shown} if shown else {})


def _problems(*statuses: int) -> dict[str, Any]:
    """Refer to an operation's own errors and those of both."""
    every = sorted([*statuses, *OF_BOTH])
    return {str(status): {"$ref": f"#/components/responses/{_name(status)}"} for status in every}


def _problem(status: int) -> dict[str, Any]:
    return _response(PROBLEMS[status], HEADERS_OF_PROBLEMS.get(status, []), "application/problem+json", "Problem", {})


def _response(
    description: str, headers: Sequence[str], content_type: str, schema: str, more: dict[str, Any]
) -> dict[str, Any]:
    return {
        "description": description,
        **({"headers": {name: HEADERS[name] for name in headers}} if headers else {}),
        "content": {content_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}, **more}},
    }


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "")


def _schemas() -> dict[str, Any]:
    models: list[Any] = [(NewOrder, "validation"), (Order, "serialization")]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = {**made["$defs"], "Problem": PROBLEM, "Fault": FAULT}
    for name in ("NewOrder", "NewItem", "Order", "Item", "Status"):
        schemas[name].pop("title")
        for member, schema in schemas[name].get("properties", {}).items():
            schema.pop("title", None)
            schema["description"] = MEMBERS[member]
    _as_shown(schemas["Order"])
    return schemas


def _as_shown(schema: dict[str, Any]) -> None:
    """Require every member but those that are left out of a response: what is None, and a number of attempts of 0."""
    optional = {name for name, field in Order.model_fields.items() if field.exclude_if}
    for name, member in schema["properties"].items():
        member.pop("default", None)
        if "anyOf" in member:  # or None
            member.update(member.pop("anyOf")[0])
            optional.add(name)
    schema["required"] = [name for name in schema["properties"] if name not in optional]


if __name__ == "__main__":
    main()
