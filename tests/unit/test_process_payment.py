"""ProcessPayment, as the stream's event source mapping calls it."""

import json
from io import StringIO
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError

from functions import process_payment
from shared import settlement
from shared.order import Status
from tests.builders import Context, Gateway, Table, a_batch, a_record, an_order


def deliver(event: dict[str, Any]) -> list[str]:
    """Deliver a batch; return the sequence numbers that are reported as failed."""
    response = process_payment.lambda_handler(event, Context())
    return sorted((str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]), key=int)


def test_an_order_is_charged_its_total_and_processed(table: Table, gateway: Gateway) -> None:
    order = an_order("699.80")

    assert deliver(a_batch([order])) == []
    assert gateway.asked == [(order.order_id, order.total, "BRL")]
    assert [(settled.order_id, settled.status) for settled in table.settled] == [(order.order_id, Status.PROCESSED)]


def test_a_declined_order_is_settled_as_declined(table: Table, gateway: Gateway) -> None:
    order = an_order()
    gateway.declined.add(order.order_id)

    assert deliver(a_batch([order])) == []
    assert [(settled.status, settled.decline_reason) for settled in table.settled] == [
        (Status.DECLINED, "insufficient funds")
    ]


def test_an_outage_of_the_gateway_fails_only_its_own_records(table: Table, gateway: Gateway) -> None:
    orders = [an_order() for _ in range(5)]
    gateway.unavailable = {orders[1].order_id, orders[3].order_id}

    assert deliver(a_batch(orders)) == ["2", "4"]
    assert len(table.settled) == 3


def test_the_last_payments_failing_do_not_keep_the_others_from_being_recorded(table: Table, gateway: Gateway) -> None:
    orders = [an_order() for _ in range(3)]
    gateway.unavailable = {orders[2].order_id}

    assert deliver(a_batch(orders)) == ["3"]
    assert len(table.settled) == 2


@pytest.mark.parametrize("image", [None, {}, {"order_id": {"S": "x"}}, {"order_id": 7}, "text"])
def test_a_poison_record_fails_alone_and_is_logged(
    table: Table, gateway: Gateway, log: StringIO, image: object
) -> None:
    event = a_batch([an_order(), an_order(), an_order()])
    event["Records"][1]["dynamodb"]["NewImage"] = image

    assert deliver(event) == ["2"]
    assert len(table.settled) == len(gateway.asked) == 2
    assert '"message":"Record is no order"' in log.getvalue()
    assert '"sequence_number":"2"' in log.getvalue()


def test_a_record_without_an_image_fails_alone(table: Table, gateway: Gateway) -> None:
    event = a_batch([an_order(), an_order()])
    del event["Records"][0]["dynamodb"]["NewImage"]

    assert deliver(event) == ["1"]
    assert len(table.settled) == len(gateway.asked) == 1


def test_a_batch_of_which_everything_fails_reports_it_all(table: Table, gateway: Gateway) -> None:
    orders = [an_order(), an_order()]
    gateway.unavailable = {order.order_id for order in orders}

    assert deliver(a_batch(orders)) == ["1", "2"]
    assert table.calls == []


def test_an_order_that_comes_twice_in_a_batch_is_charged_and_recorded_once(table: Table, gateway: Gateway) -> None:
    order = an_order()

    assert deliver({"Records": [a_record(order, 1), a_record(order, 2)]}) == []
    assert len(table.settled) == len(gateway.asked) == 1


def test_an_order_that_comes_twice_and_fails_fails_twice(table: Table, gateway: Gateway) -> None:
    order = an_order()
    gateway.unavailable.add(order.order_id)

    assert deliver({"Records": [a_record(order, 1), a_record(order, 2)]}) == ["1", "2"]
    assert table.calls == []


def test_a_thousand_orders_are_recorded_in_forty_calls(table: Table, gateway: Gateway) -> None:
    assert deliver(a_batch([an_order() for _ in range(1000)])) == []
    assert len(gateway.asked) == 1000
    assert [len(call) for call in table.calls] == [25] * 40


def test_what_does_not_fill_a_call_is_recorded_too(table: Table, gateway: Gateway) -> None:
    assert deliver(a_batch([an_order() for _ in range(51)])) == []
    assert sorted(len(call) for call in table.calls) == [1, 25, 25]
    assert len(gateway.asked) == 51


def test_a_throttled_statement_fails_only_its_record(table: Table, gateway: Gateway) -> None:
    orders = [an_order() for _ in range(30)]
    table.throttled = {orders[4].order_id, orders[27].order_id}

    assert deliver(a_batch(orders)) == ["5", "28"]
    assert len(gateway.asked) == 30


def test_a_call_that_fails_fails_its_records(table: Table, gateway: Gateway) -> None:
    table.outage = ConnectTimeoutError(endpoint_url="http://127.0.0.1")

    assert deliver(a_batch([an_order() for _ in range(60)])) == [str(number) for number in range(1, 61)]
    assert len(gateway.asked) == 60


def test_an_outage_of_the_table_is_waited_for_by_the_calls_under_way_alone(table: Table, gateway: Gateway) -> None:
    table.outage = ConnectTimeoutError(endpoint_url="http://127.0.0.1")

    deliver(a_batch([an_order() for _ in range(1000)]))

    assert len(table.calls) <= 2
    assert len(gateway.asked) == 1000


def test_a_gateway_that_hangs_is_unavailable(
    table: Table, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr(settlement, "GATEWAY_TIMEOUT_SECONDS", 0.01)
    orders = [an_order(), an_order()]
    gateway.hangs = {orders[0].order_id}

    assert deliver(a_batch(orders)) == ["1"]
    assert len(table.settled) == 1
    assert "GatewayUnavailable: no answer in 0.01 s" in log.getvalue()


def test_the_next_batch_starts_afresh(table: Table, gateway: Gateway) -> None:
    order = an_order()
    gateway.unavailable.add(order.order_id)
    deliver(a_batch([order]))

    gateway.unavailable.clear()

    assert deliver(a_batch([order])) == []
    assert len(table.settled) == 1


def test_the_metrics_count_what_became_of_the_payments(
    table: Table, gateway: Gateway, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = [an_order() for _ in range(6)]
    gateway.declined = {orders[0].order_id}
    gateway.unavailable = {orders[1].order_id, orders[2].order_id}

    deliver(a_batch(orders))

    metrics = json.loads(capsys.readouterr().out)
    assert metrics["PaymentsProcessed"] == [3.0]
    assert metrics["PaymentsDeclined"] == [1.0]
    assert metrics["PaymentsFailed"] == [2.0]
    assert 0 <= metrics["StreamLag"][0] < 60
    assert len(table.settled) == 4


def test_each_order_has_its_line_in_the_log_without_its_customer(table: Table, gateway: Gateway, log: StringIO) -> None:
    orders = [an_order(), an_order()]
    gateway.unavailable = {orders[1].order_id}

    deliver(a_batch(orders))

    lines = {line["order_id"]: line for line in map(json.loads, log.getvalue().splitlines())}
    assert lines[str(orders[0].order_id)]["status"] == "PROCESSED"
    assert lines[str(orders[1].order_id)]["reason"] == "GatewayUnavailable: no answer"
    assert "c-42" not in log.getvalue()
    assert len(table.settled) == 1
