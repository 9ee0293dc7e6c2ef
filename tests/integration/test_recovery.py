"""RecoverOrders on the real table: what is due is settled, whatever became of its record in the stream."""

from datetime import timedelta
from io import StringIO
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from functions import process_payment, recover_orders
from shared import clock
from shared.observability import logger
from shared.order import Order, Status
from shared.order_table import KEYS_PER_CALL, OrderTable, to_item
from tests.builders import Context, FakeProvider, a_batch, an_order, an_order_of_age
from tests.integration.test_order_flow import pending, status

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.usefixtures("provider")

TEN_MINUTES = timedelta(minutes=10)


def recover() -> dict[str, int]:
    return dict(recover_orders.lambda_handler({}, Context()))


def test_hundreds_of_orders_of_many_pages_are_settled_and_the_one_that_is_unreadable_is_postponed(
    client: "DynamoDBClient", orders: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", log)
    due = [an_order_of_age(TEN_MINUTES) for _ in range(300)]
    in_one_bucket = [in_bucket("a", order) for order in due[: 2 * KEYS_PER_CALL + 1]]
    due[: len(in_one_bucket)] = in_one_bucket
    for order in due:
        orders.create(order)
    unreadable, young = in_bucket("a", an_order_of_age(2 * TEN_MINUTES)), orders.create(an_order())
    client.put_item(TableName=orders.name, Item=to_item(unreadable) | {"currency": {"N": "7"}})
    now = clock.now

    assert recover() == {"recovered": 300, "deferred": 0, "failed": 1}
    assert pending(client, orders) == 2
    assert status(orders, young) is Status.PENDING
    assert sorted(order_id for order_id, *_ in provider.charges) == sorted(order.order_id for order in due)
    assert str(unreadable.order_id) in log.getvalue()
    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=61))
    assert recover() == {"recovered": 1, "deferred": 0, "failed": 1}


def in_bucket(bucket: str, order: Order) -> Order:
    return order.model_copy(update={"order_id": UUID(bucket + order.order_id.hex[1:])})


def test_an_order_that_the_stream_delivers_after_its_recovery_stays_as_it_is(
    client: "DynamoDBClient", orders: OrderTable
) -> None:
    waiting = [orders.create(an_order_of_age(TEN_MINUTES)) for _ in range(10)]
    recover()
    recovered = [orders.get(order.order_id) for order in waiting]

    process_payment.lambda_handler(a_batch(waiting), Context())

    assert [orders.get(order.order_id) for order in waiting] == recovered
    assert pending(client, orders) == 0
