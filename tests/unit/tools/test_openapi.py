"""openapi.json: it is what the code says, and what it says is true."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import regress
from aws_lambda_powertools.utilities.parser import parse
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import ValidationError

from shared.api import MAX_BODY_CHARACTERS, MAX_KEY_CHARACTERS, json_body, resolver
from shared.order import NewOrder
from shared.problem import MAX_ERRORS, REPEAT, RESPONSES
from tests.builders import VALID, Context, a_request, an_item
from tests.contract import COMPONENTS, DOCUMENT, deviations, responses_of, schema
from tools import openapi

CREATE = DOCUMENT["paths"]["/orders"]["post"]
GET = DOCUMENT["paths"]["/orders/{order_id}"]["get"]


def examples() -> Iterator[Any]:
    """Every example of an order that is shown."""
    for operation in (CREATE, GET):
        for response in operation["responses"].values():
            examples = response.get("content", {}).get("application/json", {}).get("examples", {})
            yield from (example["value"] for example in examples.values())


def an_error(kind: type[Exception]) -> Exception:
    try:
        NewOrder.model_validate({})
    except ValidationError as error:
        if kind is ValidationError:
            return error
    return kind()


app = resolver(method="POST")


@app.post("/orders")
def read_order() -> None:
    """Read a request's body as CreateOrder does."""
    parse(event=json_body(app.current_event), model=NewOrder)


def is_accepted(text: str) -> bool:
    """Whether the service takes this body for an order."""
    status: int = app.resolve(a_request("POST", "/orders", text), Context())["statusCode"]  # type: ignore[arg-type]
    assert status in {200, 400, 422}
    return status == 200


def test_the_committed_document_is_what_the_code_says() -> None:
    committed = openapi.DOCUMENT.read_text(encoding="utf-8")

    assert committed == openapi.to_text(openapi.document()), "run `npm run openapi`"


def test_every_member_is_described() -> None:
    members = [member for each in COMPONENTS["schemas"].values() for member in each.get("properties", {}).values()]

    assert all(member.get("description") for member in members)


def test_its_limits_and_advice_are_the_code_s() -> None:
    assert CREATE["parameters"][0]["schema"]["maxLength"] == MAX_KEY_CHARACTERS
    assert f"{MAX_BODY_CHARACTERS:,} characters" in CREATE["requestBody"]["description"]
    assert COMPONENTS["schemas"]["Problem"]["properties"]["errors"]["maxItems"] == MAX_ERRORS
    for status in ("500", "502", "503", "504"):
        assert responses_of(CREATE)[status]["description"].endswith(REPEAT)


def test_it_is_valid_openapi() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_each_pattern_is_one_for_python_and_for_javascript() -> None:
    for pattern in re.findall(r'"pattern": (".*")', openapi.DOCUMENT.read_text(encoding="utf-8")):
        re.compile(json.loads(pattern))
        regress.Regex(json.loads(pattern), "u")


def test_every_example_of_an_order_is_valid() -> None:
    assert [error.message for order in examples() for error in schema("Order").iter_errors(order)] == []


def test_the_example_of_a_request_is_what_the_service_accepts() -> None:
    example = CREATE["requestBody"]["content"]["application/json"]["example"]

    assert example == VALID
    assert is_accepted(json.dumps(example))


@pytest.mark.parametrize("kind", list(RESPONSES))
def test_every_error_the_code_can_answer_is_documented(kind: type[Exception]) -> None:
    answer = RESPONSES[kind](an_error(kind))
    headers = {name: str(value) for name, value in answer.headers.items()}
    documented = [responses_of(operation).get(str(answer.status_code)) for operation in (CREATE, GET)]

    assert any(documented)
    for response in filter(None, documented):
        assert deviations(response, answer.status_code, headers, answer.body or "") == []


def test_both_operations_document_what_any_request_can_meet() -> None:
    for operation in (CREATE, GET):
        assert {"403", "429", "500", "502", "503", "504"} <= operation["responses"].keys()


def with_one_other(valid: dict[str, Any], members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """What is valid but for one member, perhaps."""
    return st.sampled_from(list(members)).flatmap(
        lambda name: members[name].map(lambda value: {**valid, name: value}),
    )


MEMBERS_OF_ITEM = {
    # Of Unicode's category C the schema knows the control characters alone: no pattern for the others is portable.
    # Nor is one for the variation selectors beyond U+FFFF.
    "sku": st.text(
        st.characters(exclude_categories=["Cf", "Cn", "Co", "Cs"]).filter(lambda it: it < "\U000e0100"), max_size=3
    )
    | st.sampled_from(["", " \u3000", "\u3164", "\u2800x", "\ufffd", "x" * 64, "x" * 65, "\U0001f600" * 64, "p{C}"]),
    "quantity": st.integers(-1, 3) | st.sampled_from([10_000, 10_001, 1.5, 2.0, True, None, "2"]),
    "unit_price": st.from_regex(r"[0-9]{0,11}\.?[0-9]{0,3}", fullmatch=True)
    | st.decimals(-1, 10**11, places=2).map(float)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(0, 10**11)
    | st.sampled_from([True, None, "1e2", "+1", " 1", "1_0", "\u0663"]),
    "colour": st.just("red"),
}
ITEMS = st.fixed_dictionaries({}, optional=MEMBERS_OF_ITEM)
MEMBERS_OF_ORDER = {
    "customer_id": st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True) | st.text(max_size=2) | st.just("x" * 65),
    "currency": st.sampled_from(["USD", "brl", "BR", "BRLX", "BRL\n", "", None]),
    "items": st.lists(with_one_other(an_item(), MEMBERS_OF_ITEM) | ITEMS, max_size=2),
    "total": st.just("1.00"),
}
ORDERS = st.fixed_dictionaries({}, optional=MEMBERS_OF_ORDER)


@settings(max_examples=200, derandomize=True, database=None)
@given(order=with_one_other(VALID, MEMBERS_OF_ORDER) | ORDERS)
def test_the_schema_is_as_strict_as_the_service(order: dict[str, Any]) -> None:
    text = json.dumps(order)

    assert schema("NewOrder").is_valid(json.loads(text)) == is_accepted(text)
