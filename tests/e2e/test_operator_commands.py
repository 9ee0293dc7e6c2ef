"""`npm run smoke` and `npm run trace` on the local run: an order has one trace, from its POST to its payment."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from local.ports import free_port
from tests.builders import VALID
from tests.e2e.command import Ended, run
from tests.e2e.conftest import ANSWER_SECONDS, ORDERS_TABLE, Service
from tests.waiting import eventually
from tests.xray_documents import validated
from tools import smoke
from tools.trace import __main__ as trace
from tools.trace.rows import all_parts


def trace_of(service: Service, order_id: object, *options: object) -> Ended:
    ports = ("--port", service.port, "--xray-port", service.xray_port, "--page-port", service.page_port)
    return run(trace.main, order_id, *ports, *options)


def test_an_orders_trace_holds_the_work_of_both_functions_and_no_personal_data(
    service: Service, tmp_path: Path
) -> None:
    order_id, picture = service.create(), tmp_path / "trace.svg"

    printed = trace_of(service, order_id, "--json")
    drawn = trace_of(service, order_id, "--svg", picture)

    documents = [validated(json.dumps(document)) for document in json.loads(printed.stdout)]
    named: dict[str, Any] = {part["name"]: part for document in documents for part in all_parts(document)}
    request, payment, provider = (
        named[name] for name in ("## lambda_handler", "order-processor-dev-payment", "payment provider")
    )
    assert {document["trace_id"] for document in documents} == {request["trace_id"]}
    assert payment["parent_id"] == request["id"]
    assert "order-processor-dev-createOrder" in named
    assert (named["dynamodb"]["aws"]["operation"], named["dynamodb"]["aws"]["table_name"]) == ("PutItem", ORDERS_TABLE)
    assert request["annotations"]["order_id"] == order_id
    assert payment["annotations"] == {"order_id": order_id, "status": "PROCESSED", "attempts": 0}
    assert provider["end_time"] - provider["start_time"] == pytest.approx(2, abs=0.5)  # the configured delay
    assert VALID["customer_id"] not in printed.stdout
    assert VALID["items"][0]["sku"] not in printed.stdout
    assert drawn.stdout.startswith(f"From X-Ray.\nOrder {order_id} · PROCESSED")
    assert "payment provider" in drawn.stdout
    assert "payment&#160;provider" in picture.read_text()


def test_a_payment_that_failed_is_drawn_as_far_as_it_came(service: Service) -> None:
    order_id, port = service.create(total="503.00"), free_port()
    eventually(lambda: "attempts" in service.order(order_id))

    drawn = trace_of(service, order_id, "--wait", "0", "--page-port", port)

    assert drawn.code == 0, drawn.stderr
    assert "Not complete after 0 s: the order is PENDING." in drawn.stderr
    assert drawn.stdout.splitlines()[:2] == [
        "From X-Ray.",
        f"No order page answers on port {port}: name it with --page-port.",
    ]
    assert "payment provider" in drawn.stdout


def test_an_order_that_is_not_sampled_is_drawn_from_the_log(service: Service) -> None:
    headers = {"X-Amzn-Trace-Id": "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0"}
    created = requests.post(service.orders_url, json=VALID, headers=headers, timeout=ANSWER_SECONDS).json()

    drawn = trace_of(service, created["order_id"])

    assert drawn.code == 0, drawn.stderr
    assert drawn.stdout.startswith("From the logs: X-Ray has no part of this trace.\n")
    assert all(part in drawn.stdout for part in ("createOrder POST", "stream wait", "payment provider", "PROCESSED"))
    assert created["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


def test_the_trace_of_an_unknown_order_is_one_line(service: Service) -> None:
    order_id = uuid4()

    failed = trace_of(service, order_id)

    assert failed == Ended(1, "", f"There is no order {order_id} in the local run on port {service.port}.\n")


def test_missing_credentials_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    failed = run(trace.main, uuid4(), "--stage", "dev")

    assert failed == Ended(
        1, "", "No AWS credentials were found: set them with `aws configure`, or in the environment.\n"
    )


def test_a_step_that_fails_ends_the_smoke_check_with_the_reason(service: Service) -> None:
    failed = run(smoke.main, "--port", service.port, "--xray-port", free_port())

    assert failed.code == 1
    lines = [line for line in failed.stdout.splitlines() if line[0] in "✔✘"]
    assert ([line[0] for line in lines], lines[-1]) == (["✔"] * 5 + ["✘"], "✘ Its trace is complete")
    assert failed.stderr.startswith("Could not connect to the endpoint URL: ")


@pytest.mark.parametrize(
    ("main", "arguments", "printed"),
    [(smoke.main, (), "✘ The API is found\n"), (trace.main, (uuid4(),), "")],
    ids=["smoke", "trace"],
)
def test_no_local_run_is_one_line(main: Any, arguments: tuple[object, ...], printed: str) -> None:  # noqa: ANN401
    port = free_port()

    failed = run(main, *arguments, "--port", port)

    assert failed == Ended(
        1, printed, f"No local run answers on port {port}: start it with `npm start`, or name a --stage.\n"
    )
