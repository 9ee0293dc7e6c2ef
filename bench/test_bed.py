"""What all measurements share: the unpacked package, DynamoDB Local with the orders table, X-Ray, and orders."""

import json
import os
import platform
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import boto3

from bench.lambda_.execution_environment import ExecutionEnvironment, new_trace_id
from bench.lambda_.package import THIS_MACHINE, package
from local import serverless_yml
from local.dynamodb import DynamoDBLocal
from local.environment import environment
from local.xray import LocalXRay
from shared.order import NewOrder, Order
from shared.order_table import OrderTable, to_item
from tools.command import CommandFailed
from tools.repository import NEW_ORDER

BASELINES = Path(__file__).parent / "baselines"
# "Configuring sampling rules" (AWS X-Ray Developer Guide): by default one request a second, and 5 % of the others.
SAMPLED = 20
PUTS_PER_CALL = 25  # "BatchWriteItem", Amazon DynamoDB API Reference
WRITERS = 8


class WrongPlatform(CommandFailed):
    """The package cannot run here."""


@dataclass(frozen=True)
class TestBed:
    """Where everything is measured."""

    package: Path
    folders: Mapping[str, Path]
    variables: Mapping[str, str]
    settings: Mapping[str, Any]
    table: OrderTable
    client: Any

    @property
    def delay_seconds(self) -> float:
        """How long a payment takes."""
        return float(self.variables["PAYMENT_DELAY_SECONDS"])

    def function(
        self, name: str, *, cpu: float = 1, bytecode: str = "valid", variables: Mapping[str, str] = MappingProxyType({})
    ) -> ExecutionEnvironment:
        """Return an environment of a function in the package, with or without its bytecode."""
        folders = [self.folders[bytecode], BASELINES]
        return ExecutionEnvironment(f"functions.{name}.lambda_handler", folders, {**self.variables, **variables}, cpu)

    def baseline(self, name: str, *, cpu: float = 1) -> ExecutionEnvironment:
        """Return an environment of a function to compare with; it has the package's libraries."""
        folders = [self.folders["valid"], BASELINES]
        return ExecutionEnvironment(f"{name}.lambda_handler", folders, self.variables, cpu)

    def memory(self, name: str) -> int:
        """Return a function's memory in MB."""
        return int(serverless_yml.function(self.settings, name)["memorySize"])

    def timeout(self, name: str) -> int:
        """Return a function's timeout in seconds."""
        return int(serverless_yml.function(self.settings, name)["timeout"])

    def create(self, size: int) -> list[Order]:
        """Store new orders, of which every twentieth is sampled."""

        def put(some: Sequence[Order]) -> None:
            puts = [{"PutRequest": {"Item": to_item(order)}} for order in some]
            self.client.batch_write_item(RequestItems={self.table.name: puts})

        orders = [new_order(sampled=number % SAMPLED == 0) for number in range(size)]
        with ThreadPoolExecutor(WRITERS) as threads:
            list(threads.map(put, batched(orders, PUTS_PER_CALL, strict=False)))
        return orders


@contextmanager
def test_bed() -> Iterator[TestBed]:
    """Set everything up, and remove it at the end."""
    if platform.system() != "Linux":
        raise WrongPlatform("The package holds Lambda's Linux binaries: run the benchmark on Linux.")
    settings = serverless_yml.load("prod")
    with TemporaryDirectory(prefix="bench-") as name, DynamoDBLocal() as dynamodb, LocalXRay() as xray:
        folder = Path(name)
        zipped = package(folder / "package", "--param", THIS_MACHINE)
        folders = {"valid": folder / "with", "none": folder / "without"}
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(folders["valid"])
            archive.extractall(folders["none"], [each for each in archive.namelist() if not each.endswith(".pyc")])
        given = settings["provider"]["environment"] | settings["functions"]["processPayment"]["environment"]
        variables = environment(dynamodb.port, int(xray.endpoint_url.rpartition(":")[2])) | {
            "AWS_LAMBDA_FUNCTION_NAME": "order-processor-bench",
            **{name: str(value) for name, value in given.items()},
        }
        os.environ.update(variables)  # for our own client, too
        table = OrderTable(variables["ORDERS_TABLE"])
        client = boto3.client("dynamodb")
        of_dev = serverless_yml.load("dev")  # prod's capacity is an AWS::NoValue
        definition = serverless_yml.orders_table_definition(of_dev)
        client.create_table(**definition | {"TableName": table.name})
        yield TestBed(zipped, folders, variables, settings, table, client)


def new_order(*, sampled: bool = False) -> Order:
    """Return a new order in a trace of its own."""
    trace_header = f"Root={new_trace_id()};Sampled={int(sampled)}"
    return Order.place(NewOrder.model_validate(NEW_ORDER), trace_header=trace_header)


def post_event() -> dict[str, Any]:
    """Return API Gateway's event for a POST of a new order."""
    identity = {"apiKeyId": "caller-1", "sourceIp": "127.0.0.1"}
    return {
        "httpMethod": "POST",
        "path": "/orders",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(NEW_ORDER),
        "requestContext": {"requestId": "r-1", "path": "/dev/orders", "identity": identity},
    }


def stream_event(orders: list[Order]) -> dict[str, Any]:
    """Return the stream's event for new orders."""
    return {"Records": [_record(order, number) for number, order in enumerate(orders)]}


def _record(order: Order, number: int) -> dict[str, Any]:
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/bench",
        "dynamodb": {
            "ApproximateCreationDateTime": order.created_at.timestamp(),
            "Keys": {"order_id": {"S": str(order.order_id)}},
            "NewImage": to_item(order),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
    }
