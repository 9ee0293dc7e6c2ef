"""insomnia.json's requests, executed as they stand against the running service."""

import base64
import json
import re
from typing import Any

import requests

from tests.e2e.conftest import ANSWER_SECONDS, Service
from tools.repository import ROOT

EXPORT: dict[str, Any] = json.loads((ROOT / "insomnia.json").read_text())
RESOURCES: list[dict[str, Any]] = EXPORT["resources"]
REQUESTS = sorted((each for each in RESOURCES if each["_type"] == "request"), key=lambda each: each["metaSortKey"])
ENVIRONMENTS = {each["name"]: each["data"] for each in RESOURCES if each["_type"] == "environment"}
VARIABLE = re.compile(r"{{ _\.(\w+) }}")
# `Response => Body Attribute` of Insomnia's template tags: the request, and a JSONPath in base64.
RESPONSE_TAG = re.compile(r"{% response 'body', '(\w+)', 'b64::([^:]+)::46b', '[\w-]+', \d+ %}")


def test_each_request_is_answered_as_its_description_says(service: Service) -> None:
    variables = {**ENVIRONMENTS["Local"], "base_url": service.base_url}
    responses: dict[str, requests.Response] = {}

    def render(text: str) -> str:
        text = VARIABLE.sub(lambda match: variables[match[1]], text)
        return RESPONSE_TAG.sub(lambda match: attribute(match[1], match[2]), text)

    def attribute(request_id: str, path: str) -> str:
        return str(responses[request_id].json()[base64.b64decode(path).decode().removeprefix("$.")])

    for request in REQUESTS:
        responses[request["_id"]] = response = requests.request(
            request["method"],
            render(request["url"]),
            headers={header["name"]: render(header["value"]) for header in request["headers"]},
            data=request["body"].get("text"),
            timeout=ANSWER_SECONDS,
        )
        assert f"Answers {response.status_code}" in request["description"], response.text

    answers = {name: response.json() for name, response in responses.items()}
    assert answers["req_create_order"]["order_id"] == answers["req_get_order"]["order_id"]
    assert len(answers["req_invalid_order"]["errors"]) == 3
