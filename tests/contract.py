"""openapi.json as a judge: what it is valid against, and whether an answer is one that it documents."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from tools.repository import ROOT

DOCUMENT = json.loads((ROOT / "openapi.json").read_text())
COMPONENTS = DOCUMENT["components"]


@cache
def schema(name: str) -> jsonschema_rs.Draft202012Validator:
    """One of the document's schemas."""
    return _validator({"$ref": f"#/components/schemas/{name}"})


def responses_of(operation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The responses of an operation by status, with those that it refers to."""
    return {
        status: COMPONENTS["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in operation["responses"].items()
    }


def _validator(rule: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({**rule, "components": COMPONENTS}, validate_formats=True)


def deviations(response: Mapping[str, Any], status: int, headers: Mapping[str, str], body: bytes | str) -> list[str]:
    """Compare an answer with the response that the document has for it; nothing is the best that can be found."""
    headers = {name.lower(): value for name, value in headers.items()}
    content_type = headers.get("content-type", "").partition(";")[0]  # serverless-offline adds the charset to JSON
    if content_type not in response["content"]:
        return [f"the content type {content_type!r}"]
    content = json.loads(body)
    name = response["content"][content_type]["schema"]["$ref"].rpartition("/")[2]
    found = [f"{error.instance_path}: {error.message}" for error in schema(name).iter_errors(content)]
    if name == "Problem" and content.get("status", status) != status:
        found.append(f"the problem's status {content['status']}")
    for header, described in response.get("headers", {}).items():
        value: str | int | None = headers.get(header.lower())
        if header == "Retry-After" and value:
            value = int(value)
        if not _validator(described["schema"]).is_valid(value):
            found.append(f"{header}: {value!r}")
    return found
