"""The service on the emulator of AWS: what an operator runs, and what there is then."""

import json
import subprocess
from typing import TYPE_CHECKING, Any

from bench.lambda_.package import THIS_MACHINE
from tests.e2e.deploy.emulator import Emulator
from tools.repository import ROOT
from tools.trace.xray import Traces

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

NAME = "order-processor-dev"
PARAMETERS = ["--param", THIS_MACHINE, "--param", "access_logs=true", "--param", "trace_all_orders=false"]
COMMAND_SECONDS = 300


def npm_run(emulator: Emulator, script: str, *options: str) -> str:
    """Run a script of package.json against the emulator, as an operator would; returns what it printed."""
    ended = subprocess.run(
        ["npm", "run", "--silent", script, "--", *options],
        cwd=ROOT,
        env=emulator.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


class EmulatorTraces(Traces):
    """The traces in the local X-Ray, each with the segment of the function itself, which Lambda sends on AWS."""

    def __init__(self, client: "XRayClient") -> None:
        super().__init__(client, is_local=True)

    def read(self, trace_id: str) -> list[dict[str, Any]]:
        """Read the documents, and add the segments that their subsegments belong to."""
        documents = super().read(trace_id)
        known = {document["id"] for document in documents}
        parts = [part for part in documents if part.get("type") == "subsegment" and part["parent_id"] not in known]
        return documents + [
            {name: part[name] for name in ("trace_id", "start_time", "end_time")}
            | {"id": part["parent_id"], "name": "function", "origin": "AWS::Lambda::Function"}
            for part in parts
        ]


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

    On AWS this is no action of IAM's: dynamodb:PartiQLUpdate, which serverless.yml allows, stands for it ("IAM security
    policies with PartiQL for DynamoDB", Amazon DynamoDB Developer Guide).
    """
    statement = {"Effect": "Allow", "Action": "dynamodb:BatchExecuteStatement", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for function in ("processPayment", "recoverOrders"):
        role = f"{NAME}-{function}-us-east-1-lambdaRole"
        emulator.client("iam").put_role_policy(RoleName=role, PolicyName="emulator", PolicyDocument=policy)
