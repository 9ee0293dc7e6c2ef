"""The service as the README has it deployed and removed, on an emulator of AWS."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
import pytest
import requests

from bench.lambda_.package import THIS_MACHINE, packaging_alone
from local.xray import LocalXRay
from shared.order_table import to_item
from tests.builders import VALID, an_order_of_age
from tests.e2e.command import run
from tests.e2e.deploy.emulator import Emulator, EmulatorTraces
from tools import smoke
from tools.trace import __main__ as trace
from tools.trace import search

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the emulator runs the functions on this machine, and their package is for Linux"
)

NAME = "order-processor-dev"
PARAMETERS = ["--param", THIS_MACHINE, "--param", "access_logs=true", "--param", "trace_all_orders=false"]


def inventory(emulator: Emulator) -> dict[str, list[Any]]:
    """All there is of each kind of thing that a deployment makes."""
    return {
        "stacks": emulator.client("cloudformation").describe_stacks()["Stacks"],
        "tables": emulator.client("dynamodb").list_tables()["TableNames"],
        "streams": emulator.client("dynamodbstreams").list_streams()["Streams"],
        "functions": emulator.client("lambda").list_functions()["Functions"],
        "mappings": emulator.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        "roles": emulator.client("iam").list_roles()["Roles"],
        "log groups": emulator.client("logs").describe_log_groups()["logGroups"],
        "queues": emulator.client("sqs").list_queues().get("QueueUrls", []),
        "buckets": emulator.client("s3").list_buckets()["Buckets"],
        "APIs": emulator.client("apigateway").get_rest_apis()["items"],
        "API keys": emulator.client("apigateway").get_api_keys()["items"],
        "usage plans": emulator.client("apigateway").get_usage_plans()["items"],
        "schedules": emulator.client("events").list_rules()["Rules"],
        "topics": emulator.client("sns").list_topics()["Topics"],
        "alarms": emulator.client("cloudwatch").describe_alarms()["MetricAlarms"],
        "dashboards": emulator.client("cloudwatch").list_dashboards()["DashboardEntries"],
    }


def allow_what_only_the_emulator_asks_for(emulator: Emulator) -> None:
    """Let the functions that settle orders call BatchExecuteStatement.

    AWS's IAM does not have this action. It checks dynamodb:PartiQLUpdate, which serverless.yml allows ("IAM security
    policies with PartiQL for DynamoDB", Amazon DynamoDB Developer Guide).
    """
    statement = {"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for function in ("processPayment", "recoverOrders"):
        role = f"{NAME}-{function}-us-east-1-lambdaRole"
        emulator.client("iam").put_role_policy(RoleName=role, PolicyName="emulator", PolicyDocument=policy)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with LocalXRay() as xray, Emulator(tmp_path_factory.mktemp("emulator"), xray) as running:
        yield running


@pytest.fixture(scope="module")
def printed(emulator: Emulator) -> str:
    """Deploy the service; its value is what the deployment printed."""
    with packaging_alone():
        printed = emulator.npm_run("deploy", *PARAMETERS)
    allow_what_only_the_emulator_asks_for(emulator)
    return printed


@pytest.fixture(scope="module")
def base_url(emulator: Emulator, printed: str) -> str:  # noqa: ARG001  # deploys the service
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    return f"{emulator.endpoint_url}/restapis/{api['id']}/dev/_user_request_"


@pytest.fixture(scope="module")
def key(emulator: Emulator, printed: str) -> str:  # noqa: ARG001  # deploys the service
    """The API key, which is read as docs/deploy.md shows it."""
    return emulator.npm_run("key", "--stage", "dev").strip()


@pytest.fixture
def _its_aws(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands that run in this process take the emulator for AWS."""
    for name, value in emulator.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for command in (smoke, search):
        monkeypatch.setattr(command, "Traces", EmulatorTraces)


def test_a_deployment_prints_no_key_and_tells_how_to_get_alerts(printed: str, key: str) -> None:
    assert len(key) >= 20
    assert key not in printed
    assert "alerts: None: no mails of alarms, and no budget alarm. Put ALERT_EMAIL=you@example.com into .env" in printed


@pytest.mark.usefixtures("_its_aws")
def test_the_smoke_check_passes(emulator: Emulator, base_url: str) -> None:
    checked = run(smoke.main, "--stage", "dev", "--url", base_url)

    assert checked.code == 0, (checked, emulator.log())
    assert [line[0] for line in checked.stdout.splitlines() if line[0] in "✔✘"] == ["✔"] * 6


@pytest.mark.usefixtures("_its_aws")
def test_an_order_that_xray_does_not_have_is_drawn_from_cloudwatch_logs(
    base_url: str, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmulatorTraces, "read", lambda *_: [])  # the emulator samples every request
    monkeypatch.setattr(search, "XRAY_SECONDS", 0)
    order = requests.post(f"{base_url}/orders", json=VALID, headers={"x-api-key": key}, timeout=30).json()

    drawn = run(trace.main, order["order_id"], "--stage", "dev")

    assert drawn.code == 0, drawn
    assert drawn.stdout.startswith("From the logs: X-Ray has no part of this trace.\n"), drawn
    assert all(part in drawn.stdout for part in ("createOrder POST", "stream wait", "payment provider", "PROCESSED"))


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "guessed"}])
def test_nobody_gets_in_without_the_key(base_url: str, headers: dict[str, str]) -> None:
    refused = requests.get(f"{base_url}/orders", headers=headers, timeout=30)

    assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")
    assert refused.json()["title"] == "Forbidden"


@pytest.mark.usefixtures("printed")
def test_requests_are_traced_and_logged_but_not_what_is_in_them(emulator: Emulator) -> None:
    """Calls after the deployment set it, so it is in no template."""
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    stage = emulator.client("apigateway").get_stage(restApiId=api["id"], stageName="dev")

    assert stage["tracingEnabled"] is True
    assert stage["accessLogSettings"]["destinationArn"].endswith(f":/aws/api-gateway/{NAME}")
    assert stage["methodSettings"]["*/*"]["loggingLevel"] == "OFF"
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False


def test_an_order_that_the_stream_did_not_deliver_is_recovered(emulator: Emulator, base_url: str, key: str) -> None:
    functions = emulator.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    order = an_order_of_age(timedelta(minutes=10))
    emulator.client("dynamodb").put_item(TableName=f"{NAME}-orders", Item=to_item(order))

    printed = emulator.npm_run("recover", "--stage", "dev")

    assert json.loads(printed) == {"recovered": 1, "deferred": 0, "failed": 0}, printed + emulator.log()
    read = requests.get(f"{base_url}/orders/{order.order_id}", headers={"x-api-key": key}, timeout=30)
    assert read.json()["status"] == "PROCESSED"


@pytest.mark.usefixtures("printed")
def test_remove_leaves_nothing_behind_but_the_role_of_access_logs(emulator: Emulator) -> None:
    assert all(inventory(emulator).values()), inventory(emulator)

    emulator.npm_run("remove", *PARAMETERS)

    left = {kind: items for kind, items in inventory(emulator).items() if items}
    assert left.keys() == {"roles"}
    assert ["ApiGatewayLogsRole" in role["RoleName"] for role in left["roles"]] == [True]
