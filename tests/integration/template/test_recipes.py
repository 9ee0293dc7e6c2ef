"""The recipes of the documents, applied to a copy: for a browser client, for callers of IAM, for a faster recovery."""

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from local.environment import environment
from local.serverless_yml import SERVERLESS
from shared.order_table import BUCKETS
from tests.builders import a_request
from tests.integration.template.compiled import Compiled
from tests.markdown import blocks
from tools.repository import ROOT

SITE = "https://shop.example"
API, DEPLOY, PERFORMANCE = (ROOT / "docs" / name for name in ("api.md", "deploy.md", "performance.md"))
RESPONSES = Path("resources", "gateway-responses.js")


def replaced(path: Path, old: str, new: str) -> None:
    """Change a file in a place that has to be there."""
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What `sls package` needs of the repository, without the plugins that pack the libraries."""
    for name in ("serverless.yml", "package.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "resources", tmp_path / "resources")
    for name in ("functions", "shared", "node_modules"):
        (tmp_path / name).symlink_to(ROOT / name)
    for plugin in ("serverless-python-requirements", "./resources/bytecode"):
        replaced(tmp_path / "serverless.yml", f"  - {plugin}\n", "")
    return tmp_path


def packaged(folder: Path) -> Compiled:
    """The template of the copy's stage dev."""
    command = [SERVERLESS, "package", "--package", str(folder / "package")]
    subprocess.run(command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return Compiled("dev", folder / "package" / "cloudformation-template-update-stack.json", folder)


def test_a_browser_gets_an_answer_to_its_preflight_without_a_key_and_may_read_errors(copy: Path) -> None:
    [yaml], [javascript] = blocks(API, "yaml"), blocks(API, "js")
    replaced(copy / "serverless.yml", "private: true }", f"private: true, {yaml.strip()} }}")
    replaced(copy / RESPONSES, "const HEADERS = {\n", f"const HEADERS = {{\n{javascript}\n")

    compiled = packaged(copy)

    methods = compiled.properties("AWS::ApiGateway::Method").values()
    preflights = [method for method in methods if method["HttpMethod"] == "OPTIONS"]
    assert [method["ApiKeyRequired"] for method in methods if method not in preflights] == [True, True]
    assert len(preflights) == 2
    assert not any(method.get("ApiKeyRequired", False) for method in preflights)
    for preflight in preflights:
        [answer] = preflight["Integration"]["IntegrationResponses"]
        allowed = answer["ResponseParameters"]
        assert allowed["method.response.header.Access-Control-Allow-Origin"] == f"'{SITE}'"
        assert "Idempotency-Key" in allowed["method.response.header.Access-Control-Allow-Headers"]
    for response in compiled.properties("AWS::ApiGateway::GatewayResponse").values():
        assert response["ResponseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{SITE}'"


def test_a_browser_may_read_what_the_functions_answer(tmp_path: Path) -> None:
    [python] = blocks(API, "python")
    path = tmp_path / "api.py"
    shutil.copy(ROOT / "shared" / "api.py", path)
    replaced(path, "    app = APIGatewayRestResolver(json_body_deserializer=_exact_json)", python)
    replaced(
        path,
        "\nimport json\n",
        "\nimport json\nfrom aws_lambda_powertools.event_handler.api_gateway import CORSConfig\n",
    )
    spec = importlib.util.spec_from_file_location("api_for_browsers", path)
    assert spec
    assert spec.loader
    api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(api)

    request = a_request("POST", "/elsewhere", multiValueHeaders={"Origin": [SITE]})
    headers = api.resolver(method="POST").resolve(request, object())["multiValueHeaders"]

    assert headers["Access-Control-Allow-Origin"] == [SITE]
    assert "Location" in headers["Access-Control-Expose-Headers"][0]


def test_an_unsigned_request_is_refused_where_callers_sign(copy: Path) -> None:
    [javascript] = blocks(DEPLOY, "js")
    [line] = [line for line in (copy / RESPONSES).read_text().splitlines() if "MISSING_AUTHENTICATION_TOKEN:" in line]
    replaced(copy / RESPONSES, line, javascript)
    replaced(copy / "serverless.yml", "private: true }", "private: true, authorizer: aws_iam }")

    compiled = packaged(copy)

    methods = compiled.properties("AWS::ApiGateway::Method").values()
    assert {method["AuthorizationType"] for method in methods} == {"AWS_IAM"}
    unsigned = compiled.properties("AWS::ApiGateway::GatewayResponse")["GatewayResponseMISSINGAUTHENTICATIONTOKEN"]
    assert unsigned["StatusCode"] == "403"
    assert json.loads(unsigned["ResponseTemplates"]["application/json"])["title"] == "Forbidden"


def test_several_schedules_recover_each_bucket_once(copy: Path) -> None:
    [yaml] = blocks(PERFORMANCE, "yaml")
    replaced(copy / "serverless.yml", "    events:\n      - schedule: rate(1 minute)", yaml)

    rules = packaged(copy).properties("AWS::Events::Rule").values()

    shares = [json.loads(rule["Targets"][0]["Input"])["buckets"] for rule in rules]
    assert len(shares) > 1
    assert sorted("".join(shares)) == list(BUCKETS)
