"""RecoverOrders: what still waits is settled, the oldest first, whatever became of its record in the stream."""

import json
from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING

import pytest

from functions import process_payment, recover_orders
from shared.observability import logger
from shared.order import Order, Status
from shared.order_table import OrderTable, to_item
from tests.builders import Context, Gateway, XRay, a_batch, an_order
from tests.integration.conftest import Connect
from tests.integration.test_order_flow import eventually, pending, status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(autouse=True)
def gateway(monkeypatch: pytest.MonkeyPatch, orders: OrderTable) -> Gateway:
    gateway = Gateway()
    for function in (process_payment, recover_orders):
        monkeypatch.setattr(function, "gateway", gateway)
    monkeypatch.setattr(recover_orders, "orders", orders)
    return gateway


def an_old_order(minutes: float = 10, *, sampled: bool | None = None) -> Order:
    order = an_order(sampled=sampled)
    return order.model_copy(update={"created_at": order.created_at - timedelta(minutes=minutes)})


def recover(context: Context | None = None) -> dict[str, int]:
    result: dict[str, int] = recover_orders.lambda_handler({}, context or Context())
    return result


def test_orders_that_wait_too_long_are_settled_and_younger_ones_left(orders: OrderTable) -> None:
    old, young = [orders.create(an_old_order()) for _ in range(30)], orders.create(an_order())

    assert recover() == {"recovered": 30, "failed": 0}
    assert {status(orders, order) for order in old} == {Status.PROCESSED}
    assert status(orders, young) is Status.PENDING


def test_a_second_run_has_nothing_to_do(orders: OrderTable, gateway: Gateway) -> None:
    orders.create(an_old_order())
    recover()

    assert recover() == {"recovered": 0, "failed": 0}
    assert len(gateway.asked) == 1


def test_pending_orders_are_listed_by_age_over_all_buckets_and_pages(orders: OrderTable) -> None:
    waiting = [orders.create(an_old_order(minutes)) for minutes in range(250)]
    orders.record([order.processed("payment-1") for order in waiting[:10]])

    assert list(orders.pending()) == waiting[:9:-1]


def test_what_cannot_be_read_is_logged_and_holds_up_nobody(
    client: "DynamoDBClient", orders: OrderTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    unreadable = an_old_order(20)
    client.put_item(TableName=orders.name, Item=to_item(unreadable) | {"currency": {"N": "7"}})
    readable = orders.create(an_old_order(10))

    assert recover() == {"recovered": 1, "failed": 0}
    assert status(orders, readable) is Status.PROCESSED
    assert str(unreadable.order_id) in log.getvalue()


def test_an_order_that_fails_again_holds_up_nobody_behind_it(orders: OrderTable, gateway: Gateway) -> None:
    first, second = orders.create(an_old_order(20)), orders.create(an_old_order(10))
    gateway.unavailable = {first.order_id}

    assert recover() == {"recovered": 1, "failed": 1}
    assert (status(orders, first), status(orders, second)) == (Status.PENDING, Status.PROCESSED)


def test_a_run_takes_on_the_oldest_and_no_more_than_it_may(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = [orders.create(an_old_order(minutes)) for minutes in (30, 20, 10, 15, 25)]
    monkeypatch.setattr(recover_orders, "ORDERS_PER_BATCH", 2)
    monkeypatch.setattr(recover_orders, "BATCHES_PER_RUN", 2)

    assert recover() == {"recovered": 4, "failed": 0}
    assert [order for order in waiting if status(orders, order) is Status.PENDING] == [waiting[2]]


def test_a_run_ends_when_its_time_does(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    for minutes in (30, 20, 10):
        orders.create(an_old_order(minutes))
    monkeypatch.setattr(recover_orders, "ORDERS_PER_BATCH", 1)

    assert recover(Context(remaining_milliseconds=24_000)) == {"recovered": 1, "failed": 0}


def test_the_metrics_tell_the_oldest_order_and_what_was_recovered(
    orders: OrderTable, capsys: pytest.CaptureFixture[str]
) -> None:
    orders.create(an_old_order(minutes=10))
    orders.create(an_old_order(minutes=7))

    recover()
    recover()

    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["OldestPendingOrder"] == [pytest.approx(600, abs=60)]
    assert first["OrdersRecovered"] == [2.0]
    assert (second["OldestPendingOrder"], second["OrdersRecovered"]) == ([0.0], [0.0])


def test_a_recovered_payment_joins_the_orders_trace(orders: OrderTable, monkeypatch: pytest.MonkeyPatch) -> None:
    xray = XRay()
    monkeypatch.setattr(recover_orders, "xray", xray)
    order = orders.create(an_old_order(sampled=True))

    recover()

    [segment] = xray.segments
    assert segment["trace_id"] == order.trace_id
    assert segment["annotations"] == {"order_id": str(order.order_id), "status": "PROCESSED"}


def test_what_the_stream_gave_up_on_is_recovered(orders: OrderTable, gateway: Gateway, connect_stream: Connect) -> None:
    lost = [orders.create(an_old_order()) for _ in range(3)]
    gateway.unavailable = {order.order_id for order in lost}
    with connect_stream() as failures:
        eventually(lambda: failures)
    gateway.unavailable.clear()

    assert recover() == {"recovered": 3, "failed": 0}
    assert {status(orders, order) for order in lost} == {Status.PROCESSED}


def test_an_order_that_the_stream_delivers_after_its_recovery_stays_as_it_is(
    client: "DynamoDBClient", orders: OrderTable
) -> None:
    waiting = [orders.create(an_old_order()) for _ in range(30)]
    recover()
    recovered = [orders.get(order.order_id) for order in waiting]

    process_payment.lambda_handler(a_batch(waiting), Context())

    assert [orders.get(order.order_id) for order in waiting] == recovered
    assert pending(client, orders) == 0
