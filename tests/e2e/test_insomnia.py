"""insomnia.json's requests, executed as they stand against the running service."""

import base64
import json
import re
from typing import Any

import pytest
import requests

from tests.builders import VALID, an_item
from tests.e2e.conftest import Service
from tools.repository import ROOT

EXPORT: dict[str, Any] = json.loads((ROOT / "insomnia.json").read_text())
RESOURCES: list[dict[str, Any]] = EXPORT["resources"]
REQUESTS = [resource for resource in RESOURCES if resource["_type"] == "request"]
VARIABLE = re.compile(r"{{ _\.(\w+) }}")
# `Response => Body Attribute` of Insomnia's template tags: the request, and a JSONPath in base64.
RESPONSE_TAG = re.compile(r"{% response 'body', '(\w+)', 'b64::([^:]+)::46b', '[\w-]+', \d+ %}")


@pytest.fixture(scope="module")
def responses(service: Service) -> dict[str, requests.Response]:
    """Each request's response, by the request's id, in the order in which Insomnia lists them."""
    local = next(resource["data"] for resource in RESOURCES if resource.get("name") == "Local")
    variables = {**local, "base_url": service.base_url}
    responses: dict[str, requests.Response] = {}

    def render(text: str) -> str:
        text = VARIABLE.sub(lambda match: variables[match[1]], text)
        return RESPONSE_TAG.sub(lambda match: attribute(match[1], match[2]), text)

    def attribute(request_id: str, path: str) -> str:
        return str(responses[request_id].json()[base64.b64decode(path).decode().removeprefix("$.")])

    for request in sorted(REQUESTS, key=lambda request: request["metaSortKey"]):
        responses[request["_id"]] = requests.request(
            request["method"],
            render(request["url"]),
            headers={header["name"]: render(header["value"]) for header in request["headers"]},
            data=request["body"].get("text"),
            timeout=30,
        )
    return responses


@pytest.mark.parametrize(
    ("request_id", "status"),
    [
        ("req_create_order", 201),
        ("req_get_order", 200),
        ("req_invalid_order", 422),
        ("req_declined_order", 201),
        ("req_failing_payment", 201),
        ("req_unknown_order", 404),
    ],
)
def test_each_request_is_answered_as_its_description_says(
    responses: dict[str, requests.Response], request_id: str, status: int
) -> None:
    [description] = [request["description"] for request in REQUESTS if request["_id"] == request_id]

    assert responses[request_id].status_code == status
    assert f"Answers {status}" in description


def test_the_orders_are_the_example_and_the_two_totals_that_fail() -> None:
    orders = {each["_id"]: json.loads(each["body"]["text"]) for each in REQUESTS if each["body"]}
    declined, failing = ([an_item(quantity=1, unit_price=total)] for total in ("402.00", "503.00"))

    assert orders["req_create_order"] == VALID
    assert orders["req_declined_order"] == {**VALID, "items": declined}
    assert orders["req_failing_payment"] == {**VALID, "items": failing}


def test_no_request_is_left_untried(responses: dict[str, requests.Response]) -> None:
    assert len(responses) == len(REQUESTS) == 6


def test_the_order_that_is_read_is_the_one_just_created(responses: dict[str, requests.Response]) -> None:
    created, read = responses["req_create_order"].json(), responses["req_get_order"].json()

    assert created["order_id"] == read["order_id"]


def test_the_invalid_order_is_told_all_its_errors(responses: dict[str, requests.Response]) -> None:
    assert len(responses["req_invalid_order"].json()["errors"]) == 3


def test_the_export_is_of_format_4_with_both_environments() -> None:
    environments = {resource["name"]: resource["data"] for resource in RESOURCES if resource["_type"] == "environment"}

    assert EXPORT["__export_format"] == 4
    assert set(environments["Local"]) == set(environments["AWS"]) == {"base_url", "api_key"}
