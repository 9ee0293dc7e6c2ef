"""openapi.json: it is what the code says, and what it says is true."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.api import json_body
from shared.order import NewOrder
from shared.problem import RESPONSES, MalformedBody
from tests.builders import VALID, an_item
from tests.contract import COMPONENTS, DOCUMENT, faults, schema
from tools import openapi

CREATE = DOCUMENT["paths"]["/orders"]["post"]
GET = DOCUMENT["paths"]["/orders/{order_id}"]["get"]


def responses() -> Iterator[tuple[int, dict[str, Any]]]:
    """Every response of the document, by its status."""
    for operation in (CREATE, GET):
        yield from ((int(status), response) for status, response in operation["responses"].items())
    yield 405, COMPONENTS["responses"]["MethodNotAllowed"]


def examples() -> Iterator[Any]:
    """Every example of an answer: its status, its schema's name and the body."""
    for status, response in responses():
        for content in response["content"].values():
            for name, example in content["examples"].items():
                yield pytest.param(status, content["schema"]["$ref"], example["value"], id=f"{status}-{name}")


def an_error(kind: type[Exception]) -> Exception:
    try:
        NewOrder.model_validate({})
    except ValidationError as error:
        if kind is ValidationError:
            return error
    return ClientError({}, "GetItem") if kind is ClientError else kind()


def is_accepted(text: str) -> bool:
    """Whether the service takes this body for an order."""
    try:
        NewOrder.model_validate(json_body(APIGatewayProxyEvent({"body": text})))
    except (ValidationError, MalformedBody):
        return False
    return True


def test_the_committed_document_is_what_the_code_says() -> None:
    committed = openapi.DOCUMENT.read_text(encoding="utf-8")

    assert committed == openapi.to_text(openapi.document()), "run `npm run openapi`"


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


@pytest.mark.parametrize(("status", "reference", "body"), list(examples()))
def test_every_example_of_an_answer_is_valid(status: int, reference: str, body: Any) -> None:  # noqa: ANN401
    assert [error.message for error in schema(reference.rpartition("/")[2]).iter_errors(body)] == []
    assert body.get("status", status) == status or reference.endswith("/Order")


@pytest.mark.parametrize("name", list(CREATE["requestBody"]["content"]["application/json"]["examples"]))
def test_every_example_of_a_request_is_valid(name: str) -> None:
    body = CREATE["requestBody"]["content"]["application/json"]["examples"][name]["value"]

    assert schema("NewOrder").is_valid(body)
    assert is_accepted(json.dumps(body))


def test_every_error_the_code_can_answer_is_documented() -> None:
    for kind, answer in RESPONSES.items():
        given_answer = answer(an_error(kind))
        operations = [it for it in (CREATE, GET) if str(given_answer.status_code) in it["responses"]]
        assert operations, kind
        for operation in operations:
            response = operation["responses"][str(given_answer.status_code)]
            headers = {name: str(value) for name, value in given_answer.headers.items()}
            assert faults(response, given_answer.status_code, headers, given_answer.body or "") == [], kind


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_both_operations_document_what_any_request_can_meet(status: int) -> None:
    assert str(status) in CREATE["responses"]
    assert str(status) in GET["responses"]


def with_one_other(valid: dict[str, Any], members: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """What is valid but for one member, perhaps."""
    return st.sampled_from(list(members)).flatmap(
        lambda name: members[name].map(lambda value: {**valid, name: value}),
    )


MEMBERS_OF_ITEM = {
    "sku": st.text(max_size=3) | st.sampled_from(["", "x" * 64, "x" * 65, "\U0001f600" * 64, "p{C}"]),
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


@settings(max_examples=2_000, derandomize=True, deadline=None, database=None)
@given(order=with_one_other(VALID, MEMBERS_OF_ORDER) | ORDERS)
def test_the_schema_is_as_strict_as_the_service(order: dict[str, Any]) -> None:
    text = json.dumps(order)

    assert schema("NewOrder").is_valid(json.loads(text)) == is_accepted(text)
