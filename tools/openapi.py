"""Writes openapi.json, the API's contract (OpenAPI 3.1), from the code that keeps it: `npm run openapi`.

The schemas are those of the models that the service validates with; the answers are those that it gives.
"""

import json
import logging
from collections.abc import Iterable
from http import HTTPStatus
from itertools import groupby
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.api import MAX_BODY_CHARACTERS, MAX_KEY_CHARACTERS
from shared.order import NewOrder, Order
from shared.problem import MAX_ERRORS, SECURITY_HEADERS
from tools import openapi_answers as answers
from tools.openapi_answers import ITEM, NEW_ORDER, PENDING, ROOT, Answer

DOCUMENT = ROOT / "openapi.json"

REQUESTS = {
    "order": ("An order", NEW_ORDER),
    "number": ("A price as a number", {"customer_id": "c-42", "items": [{**ITEM, "unit_price": 349.9}]}),
    "declined": ("An order that the simulated payment gateway declines: its total is 402.00",
                 {"customer_id": "c-42", "items": [{**ITEM, "quantity": 1, "unit_price": "402.00"}]}),
}  # fmt: skip
MEMBERS = {
    "customer_id": "The customer, by whatever name the caller has for them.",
    "sku": "The article. No control characters: the pattern is ECMA-262's with the flag u, as JSON Schema asks.",
    "unit_price": "More than 0, at most 10 digits and 2 decimals. Sent as text or a number, shown as text.",
    "created_at": "UTC.",
    "processed_at": "UTC. When the payment went through; only of PROCESSED orders.",
    "payment_id": "The payment gateway's receipt; only of PROCESSED orders.",
    "declined_at": "UTC. When the payment was refused; only of DECLINED orders.",
    "decline_reason": "The payment gateway's reason; only of DECLINED orders.",
    "currency": "ISO 4217 code.",
    "trace_id": "The X-Ray trace of the order, from its request to its payment; only of traced orders.",
}
HEADERS = {
    "Location": ("The order's path.", {"type": "string", "pattern": "/orders/[0-9a-f-]{36}$"}),
    "Idempotent-Replayed": ("The order was registered by an earlier request.", {"type": "string", "const": "true"}),
    "Retry-After": ("Seconds to wait before the same request again.", {"type": "integer", "minimum": 1}),
    "Allow": ("The path's own method.", {"type": "string", "enum": ["GET", "POST"]}),
    **{name: ("The same in every answer.", {"type": "string", "const": it}) for name, it in SECURITY_HEADERS.items()},
}
FAULT = {
    "type": "object",
    "required": ["pointer", "detail"],
    "properties": {
        "pointer": {"type": "string", "description": "Where in the body: a JSON Pointer (RFC 6901)."},
        "detail": {"type": "string", "description": "What is wrong there."},
    },
}
PROBLEM = {
    "type": "object",
    "description": "An error (RFC 9457). Its type is about:blank, so its title is its status's.",
    "required": ["detail"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "errors": {"type": "array", "maxItems": MAX_ERRORS, "items": {"$ref": "#/components/schemas/Fault"}},
    },
}
PARAMETERS = {
    "IdempotencyKey": {
        "name": "Idempotency-Key", "in": "header",
        "description": "A new one for each order makes it safe to repeat a request: the same key and content again are "
        "answered with the first order. HTTP strips blanks at its ends.",
        "schema": {"type": "string", "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[!-~]([ -~]*[!-~])?$"},
        "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
    },
    "OrderId": {
        "name": "order_id", "in": "path", "required": True,
        "schema": {"type": "string", "format": "uuid"},
        "example": str(PENDING.order_id),
    },
}  # fmt: skip


def main() -> None:
    """Write openapi.json."""
    logging.disable()  # the errors are examples
    DOCUMENT.write_text(to_text(document()), encoding="utf-8")
    print(f"Wrote {DOCUMENT.name}.")


def to_text(contract: dict[str, Any]) -> str:
    """Lay the document out as it is committed."""
    return json.dumps(contract, indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """Make the document."""
    of_gateway = answers.of_api_gateway()
    create_order = {
        "operationId": "createOrder",
        "summary": "Register an order",
        "description": "The order is stored as PENDING, and its payment follows.",
        "parameters": [{"$ref": "#/components/parameters/IdempotencyKey"}],
        "requestBody": {
            "required": True,
            "description": f"At most {MAX_BODY_CHARACTERS} characters. A member named twice counts as its last.",
            "content": {"application/json": {
                "schema": {"$ref": "#/components/schemas/NewOrder"},
                "examples": {name: {"summary": what, "value": value} for name, (what, value) in REQUESTS.items()},
            }},
        },
        "responses": _responses([*answers.of_create_order(), *of_gateway]),
    }  # fmt: skip
    get_order = {
        "operationId": "getOrder",
        "summary": "Show an order as it is now",
        "description": "Its status goes from PENDING to PROCESSED or DECLINED, and then stays.",
        "parameters": [{"$ref": "#/components/parameters/OrderId"}],
        "responses": _responses([
            *answers.of_get_order(), *(it for it in of_gateway if it.status != HTTPStatus.CONTENT_TOO_LARGE),
        ]),
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Order processor", "version": "1.0.0", "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Takes purchase orders and has them paid for. Every error is a problem (RFC 9457). "
            "Another method than a path's own is answered 405, as in components.responses.",
        },
        "servers": [
            {"url": "http://127.0.0.1:3000", "description": "npm start: no API key is needed"},
            {"url": "https://{api_id}.execute-api.{region}.amazonaws.com/{stage}", "description": "npm run deploy",
             "variables": {"api_id": {"default": "API_ID", "description": "Part of the URL that the deploy prints."},
                           "region": {"default": "us-east-1"},
                           "stage": {"default": "dev", "enum": ["dev", "prod"]}}},
        ],
        "security": [{"ApiKey": []}, {}],
        "paths": {"/orders": {"post": create_order}, "/orders/{order_id}": {"get": get_order}},
        "components": {
            "schemas": _schemas(),
            "responses": {"MethodNotAllowed": _response([answers.of_another_method("PUT", "/orders", "POST")])},
            "parameters": PARAMETERS,
            "headers": {name: {"description": what, "schema": schema} for name, (what, schema) in HEADERS.items()},
            "securitySchemes": {"ApiKey": {
                "type": "apiKey", "in": "header", "name": "x-api-key",
                "description": "Needed in every deployed stage; none is needed locally.",
            }},
        },
    }  # fmt: skip


def _schemas() -> dict[str, Any]:
    _, made = models_json_schema(
        [(NewOrder, "validation"), (Order, "serialization")], ref_template="#/components/schemas/{model}"
    )
    text = json.dumps(made["$defs"]).replace("Item-Input", "NewItem").replace("Item-Output", "Item")
    schemas: dict[str, Any] = {**json.loads(text), "Problem": PROBLEM, "Fault": FAULT}
    for name, schema in schemas.items():
        schema.pop("title", None)
        for member, described in schema.get("properties", {}).items():
            described.pop("title", None)
            if member in MEMBERS:
                described["description"] = MEMBERS[member]
        if name in {"Order", "Item"}:
            _as_shown(schema)
    return schemas


def _as_shown(schema: dict[str, Any]) -> None:
    """Describe an answer: what is None is left out, all else is there, and readers may meet new members."""
    optional = set()
    for member, described in schema["properties"].items():
        described.pop("default", None)
        if {"type": "null"} in described.get("anyOf", []):
            described.update(described.pop("anyOf")[0])
            optional.add(member)
    schema["required"] = [member for member in schema["properties"] if member not in optional]
    schema.pop("additionalProperties", None)


def _responses(given: Iterable[Answer]) -> dict[str, Any]:
    by_status = groupby(sorted(given, key=lambda answer: answer.status), key=lambda answer: answer.status)
    return {str(status.value): _response(list(same)) for status, same in by_status}


def _response(given: list[Answer]) -> dict[str, Any]:
    names = [name for answer in given for name in answer.headers if name != "Content-Type"]
    schema = "Order" if given[0].status.is_success else "Problem"
    return {
        "description": " ".join(answer.when for answer in given),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in dict.fromkeys(names)},
        "content": {given[0].headers["Content-Type"]: {
            "schema": {"$ref": f"#/components/schemas/{schema}"},
            "examples": {answer.name: {"summary": answer.when, "value": answer.body} for answer in given},
        }},
    }  # fmt: skip


if __name__ == "__main__":
    main()
