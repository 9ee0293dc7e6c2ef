"""`npm run openapi`: brings openapi.json, the API's contract (OpenAPI 3.1), up to date with the models of the service.

The schemas and the example of an order are derived; what else is in the document, and the descriptions, is written by
hand. Powertools can write a document from the routes of a function, but only with `enable_validation`, which makes each
cold start slower, and without the answers of API Gateway.
"""

import json
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.order import NewOrder, Order
from tools.repository import NEW_ORDER, ROOT

DOCUMENT = ROOT / "openapi.json"


def main() -> None:
    """Write openapi.json."""
    DOCUMENT.write_text(to_text(document()), encoding="utf-8")
    print(f"Wrote {DOCUMENT.name}.")


def to_text(document: dict[str, Any]) -> str:
    """Lay the document out as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def document() -> dict[str, Any]:
    """Return the document as it should be. A new member has an empty description."""
    document: dict[str, Any] = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    _update_schemas(document["components"]["schemas"])
    create, get = document["paths"]["/orders"]["post"], document["paths"]["/orders/{order_id}"]["get"]
    create["requestBody"]["content"]["application/json"]["example"] = NEW_ORDER
    placed = Order.place(NewOrder.model_validate(NEW_ORDER)).model_dump(mode="json", exclude_none=True)
    content = {name: placed[name] for name in (*NewOrder.model_fields, "total") if name in placed}
    for response in (create["responses"]["201"], get["responses"]["200"]):
        for example in response["content"]["application/json"]["examples"].values():
            example["value"] |= content
    return document


def _update_schemas(schemas: dict[str, Any]) -> None:
    models: list[Any] = [(NewOrder, "validation"), (Order, "serialization")]
    _, made = models_json_schema(models, ref_template="#/components/schemas/{model}")
    for name, schema in made["$defs"].items():
        del schema["title"]
        before = schemas.get(name, {}).get("properties", {})
        for member, each in schema.get("properties", {}).items():
            each.pop("title", None)
            each["description"] = before.get(member, {}).get("description", "")
    _as_shown(made["$defs"]["Order"])
    schemas |= made["$defs"]


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
