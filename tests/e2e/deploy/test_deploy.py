"""The service as the README has it deployed and removed, on an emulator of AWS."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import requests

from local.xray import LocalXRay
from shared.order_table import to_item
from tests.builders import VALID, an_order_of_age
from tests.e2e.command import run
from tests.e2e.deploy.account import AccountXRay
from tests.e2e.deploy.deployment import (
    NAME,
    PARAMETERS,
    allow_what_only_the_emulator_asks_for,
    inventory,
    is_refused,
    let_the_administrator_take,
    npm_run,
    role_of,
    segments_of_lambda,
    settled,
)
from tests.e2e.deploy.emulator import Emulator
from tools import smoke
from tools.stage import Stage
from tools.trace import __main__ as trace
from tools.trace import search

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the emulator runs the functions on this machine, and their package is for Linux"
)

PROBLEM = "application/problem+json"
UNKNOWN = "0b5c0a4e-8f64-4b6e-9f34-3a6f5a1a9c55"

TABLE = {"TableName": f"{NAME}-orders"}
KEY = {"order_id": {"S": "none"}}
IF_IT_EXISTS = {"ConditionExpression": "attribute_exists(order_id)"}
OF_BUCKET = {"ExpressionAttributeValues": {":bucket": {"S": "0"}}, "KeyConditionExpression": "pending_bucket = :bucket"}
# Calls that change nothing, even of a role that may make them.
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "read": ("dynamodb", "get_item", TABLE | {"Key": KEY}),
    "add": ("dynamodb", "put_item", TABLE | IF_IT_EXISTS | {"Item": KEY}),
    "change": ("dynamodb", "update_item", TABLE | IF_IT_EXISTS | {"Key": KEY}),
    "delete": ("dynamodb", "delete_item", TABLE | {"Key": KEY}),
    "read many": ("dynamodb", "batch_get_item", {"RequestItems": {TABLE["TableName"]: {"Keys": [KEY]}}}),
    "scan": ("dynamodb", "scan", TABLE),
    "list the due": ("dynamodb", "query", TABLE | OF_BUCKET | {"IndexName": "due-orders"}),
    "delete the table": ("dynamodb", "delete_table", TABLE),
    "list tables": ("dynamodb", "list_tables", {}),
    "list queues": ("sqs", "list_queues", {}),
    "list functions": ("lambda", "list_functions", {}),
    "list roles": ("iam", "list_roles", {}),
    "list buckets": ("s3", "list_buckets", {}),
}
ALLOWED = {
    "createOrder": {"add"},
    "getOrder": {"read"},
    "processPayment": set(),  # it settles, which is another action
    "recoverOrders": {"list the due", "read many"},
}


@pytest.fixture(scope="module")
def xray() -> Iterator[LocalXRay]:
    with LocalXRay() as running:
        yield running


@pytest.fixture(scope="module")
def account(xray: LocalXRay) -> Iterator[AccountXRay]:
    with AccountXRay(xray) as running:
        yield running


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, xray: LocalXRay, account: AccountXRay) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("emulator"), xray, account) as running:
        yield running


@pytest.fixture(scope="module")
def printed(emulator: Emulator) -> str:
    """Deploy the service; its value is what the deployment printed."""
    printed = npm_run(emulator, "deploy", *PARAMETERS)
    allow_what_only_the_emulator_asks_for(emulator)
    return printed


@pytest.fixture(scope="module")
def orders_url(emulator: Emulator, printed: str) -> str:  # noqa: ARG001  # deploys the service
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    return f"{emulator.endpoint_url}/restapis/{api['id']}/dev/_user_request_/orders"


@pytest.fixture(scope="module")
def key(emulator: Emulator, printed: str) -> str:  # noqa: ARG001  # deploys the service
    """The API key, which is read as docs/deploy.md shows it."""
    return npm_run(emulator, "key", "--stage", "dev").strip()


@pytest.fixture
def _its_aws(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that run in this process take the emulator for AWS."""
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(params=[False, True], ids=["X-Ray", "Transaction Search"])
def _either_kind_of_account(
    account: AccountXRay, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "has_transaction_search", request.param)


@pytest.fixture(scope="module")
def client(key: str) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["x-api-key"] = key
        yield session


def test_a_deployment_prints_no_key_and_tells_how_to_get_alerts(printed: str, key: str) -> None:
    assert len(key) >= 20
    assert key not in printed
    assert f"{NAME}\n" in printed  # the key's name
    assert "alerts: None: no mails of alarms, and no budget alarm. Put ALERT_EMAIL=you@example.com into .env" in printed


@pytest.mark.usefixtures("_either_kind_of_account")
def test_the_smoke_check_passes(emulator: Emulator, xray: LocalXRay, orders_url: str) -> None:
    with segments_of_lambda(xray):
        printed = npm_run(emulator, "smoke", "--stage", "dev", "--url", orders_url.removesuffix("/orders"))

    steps = [line for line in printed.splitlines() if line[0] in "✔✘"]
    assert [line[0] for line in steps] == ["✔"] * 6, printed
    assert all(line.endswith(" s") for line in steps)


@pytest.mark.usefixtures("_its_aws")
def test_the_smoke_check_fails_with_the_reason(orders_url: str) -> None:
    url = orders_url.removesuffix("/dev/_user_request_/orders")

    failed = run(smoke.main, "--stage", "dev", "--url", url)

    assert failed.code == 1
    assert failed.stdout.splitlines()[-1] == "✘ An order is registered"
    assert failed.stderr.startswith(f"POST {url}/orders was answered 403, not 201: ")


@pytest.mark.usefixtures("_its_aws")
def test_the_smoke_check_of_a_stage_that_is_not_deployed_is_one_line() -> None:
    failed = run(smoke.main, "--stage", "dev", "--region", "eu-west-1")

    assert failed.code == 1
    assert failed.stderr == (
        "Stage dev is not deployed in eu-west-1: there is no stack order-processor-dev with an API.\n"
    )


@pytest.mark.usefixtures("_its_aws")
def test_the_address_of_the_api_is_that_of_the_stack(orders_url: str) -> None:
    assert (
        Stage.of("dev", None).api_url() == f"https://{orders_url.split('/')[4]}.execute-api.us-east-1.amazonaws.com/dev"
    )


@pytest.mark.usefixtures("_its_aws", "orders_url")
def test_a_trace_is_looked_for_in_the_region_that_is_given() -> None:
    here = run(trace.main, UNKNOWN, "--stage", "dev")
    elsewhere = run(trace.main, UNKNOWN, "--stage", "dev", "--region", "eu-west-1")

    assert here.stderr == f"There is no order {UNKNOWN} in stage dev.\n"
    assert elsewhere.stderr == (
        "Stage dev is not deployed in eu-west-1: there is no stack order-processor-dev with an API.\n"
    )


def test_a_deployed_order_is_processed(emulator: Emulator, client: requests.Session, orders_url: str) -> None:
    created = client.post(orders_url, json=VALID, timeout=30)
    assert created.status_code == 201, created.text + emulator.log()

    order = settled(client, f"{orders_url}/{created.json()['order_id']}")

    assert order["status"] == "PROCESSED", json.dumps(order) + emulator.log()
    assert order["payment_id"]


@pytest.mark.usefixtures("_its_aws")
def test_an_order_that_xray_does_not_have_is_drawn_from_cloudwatch_logs(
    client: requests.Session, orders_url: str, account: AccountXRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "has_traces", False)  # the emulator samples every request
    monkeypatch.setattr(search, "XRAY_SECONDS", 0)
    order = client.post(orders_url, json=VALID, timeout=30).json()
    assert settled(client, f"{orders_url}/{order['order_id']}")["status"] == "PROCESSED"

    drawn = run(trace.main, order["order_id"], "--stage", "dev")

    assert drawn.code == 0, drawn
    assert drawn.stdout.startswith("From the logs: X-Ray has no part of this trace.\n"), drawn
    assert all(part in drawn.stdout for part in ("createOrder POST", "stream wait", "payment provider", "PROCESSED"))


def test_a_bad_order_is_refused(client: requests.Session, orders_url: str) -> None:
    refused = client.post(orders_url, json={**VALID, "items": []}, timeout=30)

    assert (refused.status_code, refused.headers["Content-Type"]) == (422, PROBLEM)
    assert refused.json()["errors"][0]["pointer"] == "/items"


def test_an_unknown_order_is_not_found(client: requests.Session, orders_url: str) -> None:
    unknown = client.get(f"{orders_url}/{UNKNOWN}", timeout=30)

    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, PROBLEM)


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "guessed"}])
@pytest.mark.parametrize("path", ["", f"/{UNKNOWN}"])
def test_nobody_gets_in_without_the_key(orders_url: str, path: str, headers: dict[str, str]) -> None:
    refused = requests.get(orders_url + path, headers=headers, timeout=30)

    assert (refused.status_code, refused.headers["Content-Type"]) == (403, PROBLEM)
    assert refused.json()["title"] == "Forbidden"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_path_is_not_found(orders_url: str) -> None:
    unknown = requests.get(orders_url.removesuffix("/orders"), timeout=30)

    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, PROBLEM)


@pytest.mark.usefixtures("orders_url")
def test_requests_and_functions_are_traced(emulator: Emulator) -> None:
    """The tracing of the API's stage is set by a call after the deployment, and so in no template."""
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    functions = emulator.client("lambda").list_functions()["Functions"]
    modes = {function["FunctionName"].removeprefix(f"{NAME}-"): function["TracingConfig"] for function in functions}

    assert emulator.client("apigateway").get_stage(restApiId=api["id"], stageName="dev")["tracingEnabled"] is True
    assert modes.pop("recoverOrders") == {"Mode": "PassThrough"}
    assert list(modes.values()) == [{"Mode": "Active"}] * 3


def test_requests_are_logged_but_not_what_is_in_them(emulator: Emulator, orders_url: str) -> None:
    api = emulator.client("apigateway")
    stage = api.get_stage(restApiId=orders_url.split("/")[4], stageName="dev")

    assert stage["accessLogSettings"]["destinationArn"].endswith(f":/aws/api-gateway/{NAME}")
    assert stage["methodSettings"]["*/*"]["loggingLevel"] == "OFF"
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False
    assert ":role/" in api.get_account()["cloudwatchRoleArn"]


@pytest.mark.usefixtures("orders_url")
@pytest.mark.parametrize("function", ALLOWED)
def test_a_role_is_refused_what_its_function_does_not_do(emulator: Emulator, function: str) -> None:
    role = role_of(function)
    let_the_administrator_take(emulator, role)

    allowed = {name for name, call in CALLS.items() if not is_refused(emulator, role, *call)}

    assert allowed == ALLOWED[function]


def test_an_order_that_the_stream_did_not_deliver_is_recovered(
    emulator: Emulator, client: requests.Session, orders_url: str
) -> None:
    functions = emulator.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    order = an_order_of_age(timedelta(minutes=10))
    emulator.client("dynamodb").put_item(**TABLE, Item=to_item(order))

    printed = npm_run(emulator, "recover", "--stage", "dev")

    assert json.loads(printed) == {"recovered": 1, "deferred": 0, "failed": 0}, printed + emulator.log()
    assert settled(client, f"{orders_url}/{order.order_id}")["status"] == "PROCESSED"


@pytest.mark.usefixtures("orders_url")
def test_remove_leaves_nothing_behind_but_the_role_of_access_logs(emulator: Emulator) -> None:
    assert all(inventory(emulator).values()), inventory(emulator)

    npm_run(emulator, "remove", *PARAMETERS)

    left = {kind: items for kind, items in inventory(emulator).items() if items}
    assert left.keys() == {"roles"}
    assert ["ApiGatewayLogsRole" in role["RoleName"] for role in left["roles"]] == [True]
