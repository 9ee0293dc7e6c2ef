"""One order, one trace: from the POST over HTTP to the settled payment, in X-Ray and as `npm run trace` draws it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.ports import free_port
from tests.builders import VALID, an_item
from tests.e2e.conftest import ROOT, Service
from tests.xray_documents import all_of, validated

LIMIT_SECONDS = 60


def run_trace(order_id: object, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.trace", str(order_id), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


def trace(service: Service, order_id: object, *options: str) -> subprocess.CompletedProcess[str]:
    return run_trace(order_id, "--port", service.port, "--xray-port", service.xray_port, *options)


def post(service: Service, total: str = "699.80") -> str:
    body = {**VALID, "items": [an_item(quantity=1, unit_price=total)]}
    created = requests.post(f"{service.base_url}/orders", json=body, timeout=LIMIT_SECONDS).json()
    return str(created["order_id"])


def parts_of(service: Service, order_id: str) -> list[dict[str, Any]]:
    """Every segment and subsegment of the order's complete trace."""
    printed = trace(service, order_id, "--json")
    assert printed.returncode == 0, printed.stderr
    documents = json.loads(printed.stdout)
    return [part for document in documents for part in all_of(validated(json.dumps(document)))]


def test_the_trace_holds_the_work_of_both_functions(service: Service) -> None:
    order_id = post(service)

    parts = parts_of(service, order_id)

    named = {part["name"]: part for part in parts}
    assert {part["trace_id"] for part in parts if "trace_id" in part} == {named["## lambda_handler"]["trace_id"]}
    assert {"order-processor-dev-createOrder", "order-processor-dev-payment"} <= named.keys()
    assert named["order-processor-dev-payment"]["parent_id"] == named["## lambda_handler"]["id"]
    assert named["dynamodb"]["aws"]["operation"] == "PutItem"
    assert named["dynamodb"]["aws"]["table_name"] == "order-processor-dev-orders"
    assert named["## lambda_handler"]["annotations"]["order_id"] == order_id
    assert named["order-processor-dev-payment"]["annotations"] == {"order_id": order_id, "status": "PROCESSED"}


def test_the_payment_takes_the_configured_delay(service: Service) -> None:
    [payment] = [part for part in parts_of(service, post(service)) if part["name"] == "payment gateway"]

    assert payment["end_time"] - payment["start_time"] == pytest.approx(2, abs=0.5)


def test_no_personal_data_is_in_the_trace(service: Service) -> None:
    parts = json.dumps(parts_of(service, post(service)))

    assert VALID["customer_id"] not in parts
    assert "KB-75" not in parts


def test_the_waterfall_is_drawn_and_written(service: Service, tmp_path: Path) -> None:
    picture = tmp_path / "trace.svg"
    order_id = post(service)

    drawn = trace(service, order_id, "--svg", str(picture))

    assert drawn.returncode == 0, drawn.stderr
    assert drawn.stdout.startswith(f"Order {order_id} · PROCESSED")
    assert "payment gateway" in drawn.stdout
    assert "end to end" in drawn.stdout
    assert picture.read_text().startswith("<svg")
    assert "payment&#160;gateway" in picture.read_text()


def test_a_payment_that_failed_is_drawn_as_far_as_it_came(service: Service) -> None:
    drawn = trace(service, post(service, total="503.00"), "--wait", "5")

    assert drawn.returncode == 0, drawn.stderr
    assert "Not complete after 5 s: the order is PENDING." in drawn.stderr
    assert "payment gateway" in drawn.stdout


def test_an_unknown_order_is_one_line(service: Service) -> None:
    order_id = uuid4()

    failed = trace(service, order_id)

    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.strip() == f"There is no order {order_id} in the local run on port {service.port}."


def test_no_local_run_is_one_line() -> None:
    port = str(free_port())

    failed = run_trace(uuid4(), "--port", port)

    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        f"No local run answers on port {port}: start it with `npm start`, or name a --stage."
    )


@pytest.mark.usefixtures("_without_credentials")
def test_missing_credentials_are_one_line() -> None:
    failed = run_trace(uuid4(), "--stage", "dev")

    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        "AWS has no credentials of yours: set them with `aws configure`, or in the environment."
    )
