"""serverless.yml as the Serverless Framework resolves it: the only source of names, limits and settings."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from local.child_process import LocalRunFailed
from local.environment import environment
from tools.repository import ROOT

SERVERLESS = str(ROOT / "node_modules" / ".bin" / "serverless")
RESOLVE_SECONDS = 60
LAST_WORDS = 300

# The properties of a table that CreateTable accepts.
CREATE_TABLE = (
    "TableName",
    "AttributeDefinitions",
    "KeySchema",
    "BillingMode",
    "ProvisionedThroughput",
    "GlobalSecondaryIndexes",
)


def load(stage: str = "dev", region: str | None = None) -> dict[str, Any]:
    """Return the serverless.yml of a stage, its variables resolved; in its own region, unless another one is given."""
    in_region = ["--region", region] if region else []
    command = [SERVERLESS, "print", "--format", "json", "--stage", stage, *in_region]
    printed = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RESOLVE_SECONDS,
        check=False,
        process_group=0,  # Ctrl-C must reach only us
    )
    if printed.returncode != 0:
        words = " ".join((printed.stdout or printed.stderr).split())
        raise LocalRunFailed(words.removeprefix("Error: ")[:LAST_WORDS])
    service: dict[str, Any] = json.loads(printed.stdout)
    return service


def function(service: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A function's properties, among them its deployed `name`, with what the provider sets for all."""
    provider, properties = service["provider"], service["functions"][key]
    common = {name: provider[name] for name in ("memorySize", "timeout")}
    return {**common, **properties, "environment": environment_of(properties)}


def environment_of(owner: Mapping[str, Any]) -> dict[str, str]:
    """The environment variables of a function, or of the provider."""
    return {name: str(value) for name, value in owner.get("environment", {}).items()}


def stream_events(service: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The stream events, each the properties of an event source mapping, with the key of their function."""
    for key, properties in service["functions"].items():
        yield from ((key, event["stream"]) for event in properties["events"] if "stream" in event)


def stream_event(service: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The stream event of a function."""
    return next(event for owner, event in stream_events(service) if owner == key)


def stream_table(service: Mapping[str, Any], event: Mapping[str, Any]) -> str:
    """The name of the table that a stream event refers to, by `!GetAtt RESOURCE.StreamArn`."""
    resource = event["arn"]["Fn::GetAtt"][0]
    name: str = service["resources"]["Resources"][resource]["Properties"]["TableName"]
    return name


def orders_table_definition(service: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of DynamoDB's CreateTable for the orders table."""
    properties = service["resources"]["Resources"]["OrdersTable"]["Properties"]
    stream = properties["StreamSpecification"] | {"StreamEnabled": True}
    return {name: properties[name] for name in CREATE_TABLE if name in properties} | {"StreamSpecification": stream}
