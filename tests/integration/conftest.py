"""Integration tests: the real DynamoDB Local with its real stream, and the table as serverless.yml describes it."""

import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

from functions import create_order, get_order, process_payment, recover_orders
from local import serverless_yml
from local.dynamodb import DynamoDBLocal
from local.stream_mapping import InvokeInLane, MappingSettings, StreamMapping
from shared.order_table import OrderTable
from tests.builders import Context
from tests.integration.template.compiled import Compiled, a_copy, compiled_copy, packaged_dev

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Connect = Callable[[], AbstractContextManager[list[dict[str, Any]]]]

PATIENCE_SECONDS = 20
NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[DynamoDBLocal]:
    """A DynamoDB Local in memory."""
    with DynamoDBLocal() as running:
        yield running


@pytest.fixture(scope="session")
def resolved_service() -> dict[str, Any]:
    """serverless.yml, its variables resolved."""
    return serverless_yml.load()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the test run share, for what only one of them should make."""
    folder = tmp_path_factory.getbasetemp()
    # Each of pytest-xdist's has a folder of its own in the run's.
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def stages(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Compiled]:
    """Every stage, compiled: dev with its package, prod with an address for its alarms."""
    prod = compiled_copy(a_copy(tmp_path_factory.mktemp("prod")), "prod", "--param", "alert_email=option@example.com")
    return {"dev": packaged_dev(shared_folder), "prod": prod}


@pytest.fixture(scope="session", params=["dev", "prod"])
def compiled(request: pytest.FixtureRequest, stages: dict[str, Compiled]) -> Compiled:
    """Each stage in turn."""
    return stages[request.param]


@pytest.fixture
def client(dynamodb: DynamoDBLocal) -> "DynamoDBClient":
    return boto3.client("dynamodb", endpoint_url=dynamodb.endpoint_url)


@pytest.fixture
def orders(client: "DynamoDBClient", resolved_service: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> OrderTable:
    """An empty orders table, which the functions use."""
    name = f"orders-{next(_numbers)}"
    client.create_table(**serverless_yml.orders_table_definition(resolved_service) | {"TableName": name})
    table = OrderTable(name, client)
    for function in (create_order, get_order, process_payment, recover_orders):
        monkeypatch.setattr(function, "orders", table)
    return table


@contextmanager
def stream_mapping(
    client: "DynamoDBClient", table_name: str, settings: MappingSettings, invoke: InvokeInLane
) -> Iterator[list[dict[str, Any]]]:
    """A mapping of a table's stream at work; its value is the list of what reached the failure destination."""
    failures: list[dict[str, Any]] = []
    stop = threading.Event()
    mapping = StreamMapping(
        settings=settings,
        client=boto3.client("dynamodbstreams", endpoint_url=client.meta.endpoint_url, config=NO_RETRIES),
        stream_arn=client.describe_table(TableName=table_name)["Table"]["LatestStreamArn"],
        function_arn=Context.invoked_function_arn,
        invoke=invoke,
        on_failure=failures.append,
        on_event=print,
    )
    with ThreadPoolExecutor(1) as thread:
        run = thread.submit(mapping.run, stop)
        try:
            yield failures
        finally:
            stop.set()
            run.result(PATIENCE_SECONDS)


@pytest.fixture
def connect_stream(client: "DynamoDBClient", orders: OrderTable, resolved_service: dict[str, Any]) -> Connect:
    """Connect the orders' stream and ProcessPayment as serverless.yml says, while the context lasts."""
    one_at_a_time = threading.Lock()  # as each environment of a Lambda function is invoked

    def invoke(event: dict[str, Any], _: int) -> dict[str, Any]:
        with one_at_a_time:
            return dict(process_payment.lambda_handler(event, Context()))

    settings = MappingSettings.from_event(serverless_yml.stream_event(resolved_service, "processPayment"))
    return lambda: stream_mapping(client, orders.name, settings, invoke)
