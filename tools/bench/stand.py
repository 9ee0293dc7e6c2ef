"""The test stand: the unpacked package, DynamoDB Local with the orders table, X-Ray, and orders as they come."""

import json
import platform
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import boto3

from local import service
from local.dynamodb import DynamoDBLocal
from local.environment import environment
from local.xray import XRay
from shared.order import NewOrder, Order
from shared.order_table import OrderTable, to_item
from tools.bench.environment import Environment, new_trace_id
from tools.package import THIS_MACHINE, package

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PEERS = Path(__file__).parent / "peers"
# "Configuring sampling rules" (AWS X-Ray Developer Guide): the default rule takes one request a second, and then 5 %.
SAMPLED = 20
NEW_ORDER = {"customer_id": "c-42", "items": [{"sku": "KB-75", "quantity": 2, "unit_price": "349.90"}]}
PUTS_PER_CALL = 25  # "BatchWriteItem", Amazon DynamoDB API Reference


class NotOnThisMachine(Exception):
    """The package holds Lambda's Linux binaries."""


@dataclass(frozen=True)
class Stand:
    """Where everything is measured."""

    package: Path
    with_bytecode: Path
    without_bytecode: Path
    variables: Mapping[str, str]
    settings: Mapping[str, Any]
    client: "DynamoDBClient"

    @property
    def table(self) -> OrderTable:
        """The orders table, as the functions have it."""
        return OrderTable(self.variables["ORDERS_TABLE"], self.client)

    @property
    def delay_seconds(self) -> float:
        """What a payment takes."""
        return float(self.variables["PAYMENT_DELAY_SECONDS"])

    def function(self, name: str, *, share: float = 1) -> Environment:
        """A function of the service, in the package."""
        return Environment(f"functions.{name}.lambda_handler", [self.with_bytecode], self.variables, share=share)

    def uncompiled_function(self, name: str) -> Environment:
        """The same function in a package without valid bytecode."""
        return Environment(f"functions.{name}.lambda_handler", [self.without_bytecode], self.variables)

    def other(self, handler: str, *, share: float = 1) -> Environment:
        """A function that we compare with; it has the package's libraries."""
        return Environment(handler, [self.with_bytecode, PEERS], self.variables, share=share)

    def batch(self, size: int) -> dict[str, Any]:
        """The event for new orders, which are in the table; every twentieth is sampled."""
        orders = [new_order(sampled=number % SAMPLED == 0) for number in range(size)]
        for part in batched(orders, PUTS_PER_CALL, strict=False):
            puts: list[Any] = [{"PutRequest": {"Item": to_item(order)}} for order in part]
            self.client.batch_write_item(RequestItems={self.table.name: puts})
        return {"Records": [record(order, number) for number, order in enumerate(orders)]}


@contextmanager
def stand() -> Iterator[Stand]:
    """Set everything up, and clean it away."""
    if platform.system() != "Linux":
        raise NotOnThisMachine("The package holds Lambda's Linux binaries: run the benchmark on Linux.")
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        packaged = package(folder / "package", "--param", THIS_MACHINE)
        for target, is_compiled in (("with", True), ("without", False)):
            with zipfile.ZipFile(packaged) as archive:
                members = [member for member in archive.namelist() if is_compiled or not member.endswith(".pyc")]
                archive.extractall(folder / target, members)
        settings = service.load("prod")
        with DynamoDBLocal() as dynamodb, XRay() as xray:
            client = boto3.client(
                "dynamodb",
                endpoint_url=dynamodb.endpoint_url,
                region_name="us-east-1",
                aws_access_key_id="local",
                aws_secret_access_key="local",  # noqa: S106 - DynamoDB Local takes any
            )
            definition = service.orders_table_definition(settings)
            client.create_table(**definition)
            of_functions = {name: str(value) for name, value in settings["provider"]["environment"].items()}
            variables = environment(dynamodb.port, int(xray.endpoint_url.rpartition(":")[2])) | of_functions
            variables["AWS_LAMBDA_FUNCTION_NAME"] = "order-processor-bench"
            yield Stand(packaged, folder / "with", folder / "without", variables, settings, client)


def request() -> dict[str, Any]:
    """API Gateway's event for a POST of a new order."""
    return {
        "httpMethod": "POST",
        "path": "/orders",
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps(NEW_ORDER),
        "requestContext": {
            "requestId": "52fdfc07-2182-454f-963f-5f0f9a621d72",
            "path": "/dev/orders",
            "identity": {"apiKeyId": "caller-1", "sourceIp": "127.0.0.1"},
        },
    }


def item() -> dict[str, Any]:
    """A new order as an item."""
    return to_item(new_order())


def new_order(*, sampled: bool = False) -> Order:
    """A new order, in a trace of its own."""
    trace_header = f"Root={new_trace_id()};Sampled={int(sampled)}"
    return Order.place(NewOrder.model_validate(NEW_ORDER), trace_header=trace_header)


def record(order: Order, number: int) -> dict[str, Any]:
    """The stream's record of a new order."""
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": order.created_at.timestamp(),
            "Keys": {"order_id": {"S": str(order.order_id)}},
            "NewImage": to_item(order),
            "SequenceNumber": f"{number:021d}",
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
    }
