"""The service on the emulator of AWS: deployed, removed, asked for an order, and looked into."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from bench.lambda_.package import THIS_MACHINE, packaging_alone
from local.xray import LocalXRay
from tests.e2e.deploy.emulator import Emulator
from tests.waiting import eventually
from tools.local_run import xray_client
from tools.repository import ROOT
from tools.trace.xray import Traces

NAME = "order-processor-dev"
PARAMETERS = ["--param", THIS_MACHINE, "--param", "access_logs=true", "--param", "trace_all_orders=false"]
COMMAND_SECONDS, SEGMENT_SECONDS = 300, 0.5
POLL_SECONDS = 0.25  # the API key allows 6 requests a second


def npm_run(emulator: Emulator, script: str, *options: str) -> str:
    """Run a script of package.json against the emulator, as an operator would; returns what it printed."""
    alone = packaging_alone() if script == "deploy" else nullcontext()
    with (
        alone,
        subprocess.Popen(
            ["npm", "run", "--silent", script, "--", *options],
            cwd=ROOT,
            env=emulator.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            process_group=0,
        ) as npm,
    ):
        try:
            output, _ = npm.communicate(timeout=COMMAND_SECONDS)
        except subprocess.TimeoutExpired as hung:
            pytest.fail(f"npm run {script} did not end: {hung.output!r}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(npm.pid, signal.SIGKILL)
    assert npm.returncode == 0, output
    return output


@contextmanager
def segments_of_lambda(xray: LocalXRay) -> Iterator[None]:
    """Send the segments of the functions themselves, which Lambda sends: a function sends its subsegments only."""
    is_over, started_at = threading.Event(), datetime.now(UTC)
    client = xray_client(xray.endpoint_url)
    traces = Traces(client, is_local=True)

    def send() -> None:
        while not is_over.wait(SEGMENT_SECONDS):
            ids = [
                trace["Id"]
                for trace in client.get_trace_summaries(StartTime=started_at, EndTime=datetime.now(UTC))[
                    "TraceSummaries"
                ]
            ]
            for trace_id in ids:
                documents = traces.read(trace_id)
                known = {document["id"] for document in documents}
                for part in documents:
                    if part.get("type") == "subsegment" and part["parent_id"] not in known:
                        segment = {name: part[name] for name in ("trace_id", "start_time", "end_time")}
                        segment |= {"id": part["parent_id"], "name": "function", "origin": "AWS::Lambda::Function"}
                        client.put_trace_segments(TraceSegmentDocuments=[json.dumps(segment)])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def settled(client: requests.Session, url: str) -> dict[str, Any]:
    """Wait until an order is settled, or for so long that something is wrong, and return it."""
    with suppress(AssertionError):  # the caller has more to say about it
        eventually(lambda: client.get(url, timeout=30).json()["status"] != "PENDING", poll_seconds=POLL_SECONDS)
    return dict(client.get(url, timeout=30).json())


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


def role_of(function: str) -> str:
    return f"{NAME}-{function}-us-east-1-lambdaRole"


def is_refused(emulator: Emulator, role: str, service: str, method: str, arguments: dict[str, Any]) -> bool:
    try:
        getattr(emulator.client(service, role), method)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
    return False


def let_the_administrator_take(emulator: Emulator, role: str) -> None:
    """Add him to those who may assume a role, where serverless.yml has Lambda alone."""
    iam = emulator.client("iam")
    policy = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    policy["Statement"].append({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"})
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(policy))


def allow_what_only_the_emulator_asks_for(emulator: Emulator) -> None:
    """Let the functions that settle orders call BatchExecuteStatement.

    On AWS this is no action of IAM's: dynamodb:PartiQLUpdate, which serverless.yml allows, stands for it ("IAM security
    policies with PartiQL for DynamoDB", Amazon DynamoDB Developer Guide).
    """
    statement = {"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for function in ("processPayment", "recoverOrders"):
        emulator.client("iam").put_role_policy(RoleName=role_of(function), PolicyName="emulator", PolicyDocument=policy)
