"""The fixed limits of time fit into each other, and into the functions' timeouts in serverless.yml."""

from typing import Any

import boto3
import pytest
import yaml

from shared import order_table, outcome_writer, retry_schedule, settlement, tracing
from shared.settings import PaymentSettings
from tools.repository import ROOT

# Before a second try a client waits for up to a second ("Retry behavior", AWS SDKs and Tools Reference Guide).
BOTO_BACKOFF_SECONDS = 1
# "Quotas for configuring and running a REST API", Amazon API Gateway; "Lambda quotas".
API_GATEWAY_TIMEOUT_SECONDS = 29
LONGEST_INVOCATION_SECONDS = 900


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's functions, such as !GetAtt, as nothing."""


Loader.add_multi_constructor("!", lambda *_: None)
SERVICE = yaml.load((ROOT / "serverless.yml").read_text("utf-8"), Loader)  # noqa: S506  # a safe one


def timeout(function: str) -> int:
    return int(SERVICE["functions"][function].get("timeout", SERVICE["provider"]["timeout"]))


def longest_call(config: Any) -> float:  # noqa: ANN401  # botocore's Config sets its attributes at run time
    """How long one call of AWS can take, with its retries."""
    assert config.retries["mode"] == "standard"
    tries = config.retries["total_max_attempts"]
    return float(tries * (config.connect_timeout + config.read_timeout) + (tries - 1) * BOTO_BACKOFF_SECONDS)


TABLE_CALL = longest_call(order_table.CONFIG)


def test_the_orders_table_has_these_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, object]] = []
    monkeypatch.setattr(boto3, "client", lambda service, config: made.append((service, config)))

    order_table.OrderTable("orders")

    assert made == [("dynamodb", order_table.CONFIG)]


@pytest.mark.parametrize("function", ["createOrder", "getOrder"])
def test_the_api_answers_before_its_function_and_its_gateway_time_out(function: str) -> None:
    assert TABLE_CALL < timeout(function) < API_GATEWAY_TIMEOUT_SECONDS


def test_a_call_of_xray_takes_no_longer_than_all_the_sending_may() -> None:
    client = tracing.client()

    assert client.meta.service_model.service_name == "xray"
    assert longest_call(client.meta.config) <= tracing.SEND_SECONDS


def test_the_last_write_and_the_traces_fit_into_what_is_reserved_for_them() -> None:
    assert TABLE_CALL == order_table.CALL_SECONDS
    assert TABLE_CALL + tracing.SEND_SECONDS < outcome_writer.RESERVED_SECONDS


def test_an_attempt_has_time_for_the_tries_of_its_outcome() -> None:
    waits = outcome_writer.FIRST_BACKOFF_SECONDS * (2 ** (outcome_writer.TRIES - 1) - 1)

    assert waits + TABLE_CALL < settlement.RECORDING_SECONDS


def test_a_batch_has_time_for_the_longest_attempt() -> None:
    assert timeout("processPayment") > settlement.ATTEMPT_SECONDS


def test_recovery_starts_attempts_until_shortly_before_the_next_run() -> None:
    assert 55 <= timeout("recoverOrders") - settlement.ATTEMPT_SECONDS < 60


def test_no_charge_is_on_its_way_when_an_order_ends() -> None:
    assert retry_schedule.CLOSING.total_seconds() > LONGEST_INVOCATION_SECONDS


def test_the_longest_simulated_payment_is_not_cut_off() -> None:
    longest = PaymentSettings.model_json_schema()["properties"]["PAYMENT_DELAY_SECONDS"]["maximum"]

    assert longest < settlement.PROVIDER_TIMEOUT_SECONDS
