"""The service as the README has it deployed and removed, on an emulator of AWS."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import requests

from local.service import ROOT
from tests.builders import VALID
from tests.e2e.emulator import Emulator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the emulator runs the functions on this machine, and their package is for Linux"
)

STAGE = ["--stage", "dev", "--param", f"architecture={'x86_64' if platform.machine() == 'x86_64' else 'arm64'}"]
COMMAND_SECONDS, SETTLE_SECONDS = 300, 60
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("emulator")) as running:
        yield running


@pytest.fixture(scope="module")
def orders_url(emulator: Emulator) -> str:
    """Deploy the service; its value is the address of its orders."""
    npm_run(emulator, "deploy")
    _allow_what_only_the_emulator_asks_for(emulator)
    (api,) = emulator.client("apigateway").get_rest_apis()["items"]
    return f"{emulator.endpoint_url}/restapis/{api['id']}/dev/_user_request_/orders"


def test_a_deployed_order_is_processed(emulator: Emulator, orders_url: str) -> None:
    created = requests.post(orders_url, json=VALID, timeout=30)
    assert created.status_code == 201, created.text + emulator.log()

    order = settled(f"{orders_url}/{created.json()['order_id']}")

    assert order["status"] == "PROCESSED", json.dumps(order) + emulator.log()
    assert order["payment_id"]


def test_a_bad_order_is_refused(orders_url: str) -> None:
    refused = requests.post(orders_url, json={**VALID, "items": []}, timeout=30)

    assert (refused.status_code, refused.headers["Content-Type"]) == (422, PROBLEM)
    assert refused.json()["errors"][0]["pointer"] == "/items"


def test_an_unknown_order_is_not_found(orders_url: str) -> None:
    unknown = requests.get(f"{orders_url}/0b5c0a4e-8f64-4b6e-9f34-3a6f5a1a9c55", timeout=30)

    assert (unknown.status_code, unknown.headers["Content-Type"]) == (404, PROBLEM)


@pytest.mark.usefixtures("orders_url")
def test_remove_leaves_nothing_behind(emulator: Emulator) -> None:
    assert all(inventory(emulator).values())

    npm_run(emulator, "remove")

    assert not any(inventory(emulator).values()), inventory(emulator)


def npm_run(emulator: Emulator, script: str) -> None:
    """Run a script of package.json against the emulator, as an operator would, and show what it said if it fails."""
    with subprocess.Popen(
        ["npm", "run", script, "--", *STAGE],
        cwd=ROOT,
        env=emulator.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as npm:
        try:
            output, _ = npm.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired as hung:
            pytest.fail(f"npm run {script} did not end: {hung.output!r}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(npm.pid, signal.SIGKILL)
    assert npm.returncode == 0, output


def settled(url: str) -> dict[str, Any]:
    """Ask for an order until it is settled, or for so long that something is wrong."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        order: dict[str, Any] = requests.get(url, timeout=30).json()
        if order["status"] != "PENDING" or time.monotonic() > deadline:
            return order
        time.sleep(0.2)


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
    }


def _allow_what_only_the_emulator_asks_for(emulator: Emulator) -> None:
    """Let ProcessPayment call BatchExecuteStatement.

    On AWS this is no action of IAM's: dynamodb:PartiQLUpdate, which serverless.yml allows, stands for it ("IAM security
    policies with PartiQL for DynamoDB", Amazon DynamoDB Developer Guide).
    """
    statement = {"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}
    emulator.client("iam").put_role_policy(
        RoleName="order-processor-dev-processPayment-us-east-1-lambdaRole",
        PolicyName="emulator",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
