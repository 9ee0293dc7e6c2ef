"""The recipes of the documents, applied to a copy: for a browser client, for callers of IAM, for a faster recovery."""

import json
import shutil
from pathlib import Path
from runpy import run_path

import pytest
import yaml

from shared.order_table import BUCKETS
from tests.builders import a_request
from tests.integration.template.compiled import Compiled, a_copy, compiled_copy, replaced
from tests.markdown import blocks
from tools.repository import ROOT

SITE = "https://shop.example"
API, DEPLOY, PERFORMANCE, RUNBOOK = (ROOT / f"docs/{name}.md" for name in ("api", "deploy", "performance", "runbook"))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """Stage dev with all recipes at once, and with the address of a `.env`."""
    copy = a_copy(tmp_path_factory.mktemp("copy"))
    settings, responses = copy / "serverless.yml", copy / "resources" / "gateway-responses.js"
    [cors], [headers], [unsigned], [schedules] = (
        *(blocks(API, "yaml"), blocks(API, "js")),
        *(blocks(DEPLOY, "js"), blocks(PERFORMANCE, "yaml")),
    )
    replaced(settings, "private: true }", f"private: true, authorizer: aws_iam, {cors.strip()} }}")
    replaced(settings, "    events:\n      - schedule: rate(1 minute)", schedules)
    [line] = [line for line in responses.read_text().splitlines() if "MISSING_AUTHENTICATION_TOKEN:" in line]
    replaced(responses, line, unsigned)
    replaced(responses, "const HEADERS = {\n", f"const HEADERS = {{\n{headers}\n")
    shutil.copy(ROOT / ".env.example", copy / ".env")
    return compiled_copy(copy, "dev")


def test_a_browser_gets_an_answer_to_its_preflight_without_a_key_and_may_read_errors(changed: Compiled) -> None:
    methods = changed.properties("ApiGateway::Method").values()
    preflights = [method for method in methods if method["HttpMethod"] == "OPTIONS"]
    responses = changed.properties("ApiGateway::GatewayResponse").values()

    assert [method["ApiKeyRequired"] for method in methods if method not in preflights] == [True, True]
    assert len(preflights) == 2
    for preflight in preflights:
        assert not preflight.get("ApiKeyRequired", False)
        [answer] = preflight["Integration"]["IntegrationResponses"]
        allowed = answer["ResponseParameters"]
        assert allowed["method.response.header.Access-Control-Allow-Origin"] == f"'{SITE}'"
        assert "Idempotency-Key" in allowed["method.response.header.Access-Control-Allow-Headers"]
    for response in responses:
        assert response["ResponseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{SITE}'"


def test_a_browser_may_read_what_the_functions_answer(tmp_path: Path) -> None:
    [python] = blocks(API, "python")
    path = tmp_path / "api.py"
    shutil.copy(ROOT / "shared" / "api.py", path)
    replaced(path, "    app = APIGatewayRestResolver(json_body_deserializer=_exact_json)", python)
    cors_config = "from aws_lambda_powertools.event_handler.api_gateway import CORSConfig\n"
    replaced(path, "\nimport json\n", f"\nimport json\n{cors_config}")

    request = a_request("POST", "/elsewhere", multiValueHeaders={"Origin": [SITE]})
    headers = run_path(str(path))["resolver"](method="POST").resolve(request, object())["multiValueHeaders"]

    assert headers["Access-Control-Allow-Origin"] == [SITE]
    assert "Location" in headers["Access-Control-Expose-Headers"][0]


def test_an_unsigned_request_is_refused_where_callers_sign(changed: Compiled) -> None:
    methods = changed.properties("ApiGateway::Method").values()
    unsigned = changed.properties("ApiGateway::GatewayResponse")["GatewayResponseMISSINGAUTHENTICATIONTOKEN"]

    assert {each["AuthorizationType"] for each in methods if each["HttpMethod"] != "OPTIONS"} == {"AWS_IAM"}
    assert unsigned["StatusCode"] == "403"
    assert json.loads(unsigned["ResponseTemplates"]["application/json"])["title"] == "Forbidden"


def test_several_schedules_recover_each_bucket_once(changed: Compiled) -> None:
    rules = changed.properties("Events::Rule").values()
    shares = [json.loads(rule["Targets"][0]["Input"])["buckets"] for rule in rules]
    [of_the_runbook] = blocks(RUNBOOK, "yaml")

    assert len(shares) > 1
    assert sorted("".join(shares)) == list(BUCKETS)
    assert sorted(each["schedule"]["input"]["buckets"] for each in yaml.safe_load(of_the_runbook)) == sorted(shares)


def test_the_address_of_the_alarms_comes_from_dotenv(changed: Compiled) -> None:
    assert changed.section("Parameters")["AlertEmail"]["Default"] == "you@example.com"
