"""`npm run recover`, as an operator calls it."""

import re
import subprocess
import sys
from datetime import timedelta
from uuid import uuid4

import pytest

from local.ports import free_port
from shared.order import Status
from shared.order_table import OrderTable, to_item
from tests.builders import an_order
from tests.e2e.conftest import ROOT, Service

LIMIT_SECONDS = 60


def recover(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.recover", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


def test_it_recovers_an_order_that_the_stream_does_not_deliver(service: Service) -> None:
    orders = OrderTable("order-processor-dev-orders", service.dynamodb())
    order = an_order()
    old = order.model_copy(update={"created_at": order.created_at - timedelta(minutes=10)})
    failing = old.model_copy(update={"order_id": uuid4(), "items": an_order("503.00").items})
    for waiting in (old, failing):
        orders.create(waiting.processed("payment-1"))  # the stream delivers neither a settled order nor a change
        service.dynamodb().put_item(TableName=orders.name, Item=to_item(waiting))

    done = recover("--lambda-port", service.lambda_port)

    # The scheduled run, once a minute, may have taken some of them just before.
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"[012] orders? recovered\.\n", done.stdout)
    assert orders.get(old.order_id).status is Status.PROCESSED
    assert orders.get(failing.order_id).attempts == 1


def test_no_local_run_is_one_line() -> None:
    port = str(free_port())

    failed = recover("--lambda-port", port)

    assert failed.returncode == 1
    assert (
        failed.stderr.strip() == f"No local run answers on port {port}: start it with `npm start`, or name a --stage."
    )


@pytest.mark.usefixtures("_without_credentials")
def test_missing_credentials_are_one_line() -> None:
    failed = recover("--stage", "dev")

    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        "AWS has no credentials of yours: set them with `aws configure`, or in the environment."
    )
