"""The service as the README has it deployed and removed, on an emulator of AWS."""

import json
import sys
from collections.abc import Iterator
from datetime import timedelta

import boto3
import pytest
import requests

from bench.lambda_.package import packaging_alone
from local.xray import LocalXRay
from shared.order_table import to_item
from tests.builders import VALID, an_order_of_age
from tests.e2e.command import Ended, run
from tests.e2e.deploy.deployment import (
    NAME,
    PARAMETERS,
    EmulatorTraces,
    allow_what_only_the_emulator_asks_for,
    inventory,
    npm_run,
)
from tests.e2e.deploy.emulator import Emulator
from tools import smoke
from tools.stage import Stage
from tools.trace import __main__ as trace
from tools.trace import search

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the emulator runs the functions on this machine, and their package is for Linux"
)

UNKNOWN = "0b5c0a4e-8f64-4b6e-9f34-3a6f5a1a9c55"


@pytest.fixture(scope="module")
def xray() -> Iterator[LocalXRay]:
    with LocalXRay() as running:
        yield running


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory, xray: LocalXRay) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("emulator"), xray) as running:
        yield running


@pytest.fixture(scope="module")
def printed(emulator: Emulator) -> str:
    """Deploy the service; its value is what the deployment printed."""
    with packaging_alone():
        printed = npm_run(emulator, "deploy", *PARAMETERS)
    allow_what_only_the_emulator_asks_for(emulator)
    return printed


@pytest.fixture(scope="module")
def api_id(emulator: Emulator, printed: str) -> str:  # noqa: ARG001  # deploys the service
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    return str(api["id"])


@pytest.fixture(scope="module")
def base_url(emulator: Emulator, api_id: str) -> str:
    return f"{emulator.endpoint_url}/restapis/{api_id}/dev/_user_request_"


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
    for command in (smoke, search):
        monkeypatch.setattr(command, "Traces", EmulatorTraces)


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


@pytest.mark.usefixtures("_its_aws")
def test_the_smoke_check_passes(emulator: Emulator, base_url: str) -> None:
    checked = run(smoke.main, "--stage", "dev", "--url", base_url)

    assert checked.code == 0, (checked, emulator.log())
    assert [line[0] for line in checked.stdout.splitlines() if line[0] in "✔✘"] == ["✔"] * 6


@pytest.mark.usefixtures("_its_aws")
def test_an_order_that_xray_does_not_have_is_drawn_from_cloudwatch_logs(
    client: requests.Session, base_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmulatorTraces, "read", lambda *_: [])  # the emulator samples every request
    monkeypatch.setattr(search, "XRAY_SECONDS", 0)
    order = client.post(f"{base_url}/orders", json=VALID, timeout=30).json()

    drawn = run(trace.main, order["order_id"], "--stage", "dev")

    assert drawn.code == 0, drawn
    assert drawn.stdout.startswith("From the logs: X-Ray has no part of this trace.\n"), drawn
    assert all(part in drawn.stdout for part in ("createOrder POST", "stream wait", "payment provider", "PROCESSED"))


@pytest.mark.usefixtures("_its_aws")
def test_a_stage_is_read_in_the_region_that_is_given(api_id: str) -> None:
    in_another = ("--stage", "dev", "--region", "eu-west-1")
    reason = "Stage dev is not deployed in eu-west-1: there is no stack order-processor-dev with an API.\n"

    assert Stage.of("dev", None).api_url() == f"https://{api_id}.execute-api.us-east-1.amazonaws.com/dev"
    assert run(trace.main, UNKNOWN, "--stage", "dev").stderr == f"There is no order {UNKNOWN} in stage dev.\n"
    assert run(trace.main, UNKNOWN, *in_another) == Ended(1, "", reason)
    assert run(smoke.main, *in_another).stderr == reason


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "guessed"}])
@pytest.mark.parametrize("path", ["/orders", f"/orders/{UNKNOWN}"])
def test_nobody_gets_in_without_the_key(base_url: str, path: str, headers: dict[str, str]) -> None:
    refused = requests.get(base_url + path, headers=headers, timeout=30)

    assert (refused.status_code, refused.headers["Content-Type"]) == (403, "application/problem+json")
    assert refused.json()["title"] == "Forbidden"
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_an_unknown_path_is_answered_with_a_problem(base_url: str) -> None:
    unknown = requests.get(base_url, timeout=30)

    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, "application/problem+json")


def test_requests_are_traced_and_logged_but_not_what_is_in_them(emulator: Emulator, api_id: str) -> None:
    """Calls after the deployment set it, so it is in no template."""
    stage = emulator.client("apigateway").get_stage(restApiId=api_id, stageName="dev")

    assert stage["tracingEnabled"] is True
    assert stage["accessLogSettings"]["destinationArn"].endswith(f":/aws/api-gateway/{NAME}")
    assert stage["methodSettings"]["*/*"]["loggingLevel"] == "OFF"
    assert stage["methodSettings"]["*/*"]["dataTraceEnabled"] is False
    assert ":role/" in emulator.client("apigateway").get_account()["cloudwatchRoleArn"]


def test_an_order_that_the_stream_did_not_deliver_is_recovered(
    emulator: Emulator, client: requests.Session, base_url: str
) -> None:
    functions = emulator.client("lambda")
    (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    order = an_order_of_age(timedelta(minutes=10))
    emulator.client("dynamodb").put_item(TableName=f"{NAME}-orders", Item=to_item(order))

    printed = npm_run(emulator, "recover", "--stage", "dev")

    assert json.loads(printed) == {"recovered": 1, "deferred": 0, "failed": 0}, printed + emulator.log()
    read = client.get(f"{base_url}/orders/{order.order_id}", timeout=30)
    assert read.json()["status"] == "PROCESSED"


@pytest.mark.usefixtures("printed")
def test_remove_leaves_nothing_behind_but_the_role_of_access_logs(emulator: Emulator) -> None:
    assert all(inventory(emulator).values()), inventory(emulator)

    npm_run(emulator, "remove", *PARAMETERS)

    left = {kind: items for kind, items in inventory(emulator).items() if items}
    assert left.keys() == {"roles"}
    assert ["ApiGatewayLogsRole" in role["RoleName"] for role in left["roles"]] == [True]
