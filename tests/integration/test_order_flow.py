"""The order's way: created, announced by the table's own stream, paid for, settled; and what may go wrong on it."""

import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from functions import create_order, get_order, process_payment
from shared.order import NewOrder, Order, OrderNotFound, Status, idempotent_order_id
from shared.order_table import OrderTable, to_item
from tests.builders import VALID, Context, Gateway, a_batch, a_record, a_request, an_item, an_order
from tests.integration.conftest import Connect

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEADLINE_SECONDS = 20


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = Gateway()
    monkeypatch.setattr(process_payment, "gateway", gateway)
    return gateway


def eventually(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come to hold"
        time.sleep(0.02)


def post(**changes: object) -> dict[str, Any]:
    answer = create_order.lambda_handler(a_request("POST", "/orders", {**VALID, **changes}), Context())
    assert answer["statusCode"] == 201
    return dict(json.loads(answer["body"]))


def get(order_id: str) -> dict[str, Any]:
    return dict(json.loads(get_order.lambda_handler(a_request("GET", f"/orders/{order_id}"), Context())["body"]))


def status(orders: OrderTable, order: Order) -> Status:
    return orders.get(order.order_id).status


def pending(client: "DynamoDBClient", orders: OrderTable) -> int:
    return client.scan(TableName=orders.name, IndexName="pending-orders", Select="COUNT")["Count"]


def test_an_order_is_created_then_paid_for_and_processed(
    client: "DynamoDBClient", orders: OrderTable, connect_stream: Connect
) -> None:
    created = post()
    assert (get(created["order_id"]), pending(client, orders)) == (created, 1)

    with connect_stream() as failures:
        eventually(lambda: get(created["order_id"])["status"] == "PROCESSED")

    processed = get(created["order_id"])
    assert processed == created | {name: processed[name] for name in ("status", "payment_id", "processed_at")}
    assert (pending(client, orders), failures) == (0, [])


@pytest.mark.usefixtures("orders")
def test_an_order_of_402_is_declined(connect_stream: Connect) -> None:
    created = post(items=[an_item(quantity=1, unit_price="402.00")])

    with connect_stream() as failures:
        eventually(lambda: get(created["order_id"])["status"] == "DECLINED")

    assert get(created["order_id"])["decline_reason"] == "insufficient funds"
    assert failures == []


def test_a_failing_payment_is_deferred_and_its_neighbours_are_settled_without_a_redelivery(
    client: "DynamoDBClient", orders: OrderTable, gateway: Gateway, connect_stream: Connect
) -> None:
    placed = [orders.create(an_order()) for _ in range(40)]
    failing = placed[0]
    gateway.unavailable = {failing.order_id}

    with connect_stream() as failures:
        eventually(lambda: pending(client, orders) == 1)
        eventually(lambda: orders.get(failing.order_id).attempts == 1)

    deferred = orders.get(failing.order_id)
    assert (deferred.status, failures) == (Status.PENDING, [])
    assert deferred.due_at is not None
    assert len(gateway.charges) == 40


def test_a_poison_record_ends_in_the_failure_destination_and_leaves_the_others_alone(
    client: "DynamoDBClient", orders: OrderTable, connect_stream: Connect
) -> None:
    before = [orders.create(an_order()) for _ in range(5)]
    poison = to_item(an_order()) | {"customer_id": {"N": "7"}}
    client.put_item(TableName=orders.name, Item=poison)
    after = [orders.create(an_order()) for _ in range(5)]

    with connect_stream() as failures:
        eventually(lambda: failures)
        eventually(lambda: all(status(orders, order) is Status.PROCESSED for order in before + after))

    [failure] = failures
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"


def test_an_order_that_comes_twice_in_a_batch_is_settled_once(orders: OrderTable, gateway: Gateway) -> None:
    order = orders.create(an_order())

    response = process_payment.lambda_handler({"Records": [a_record(order, 1), a_record(order, 2)]}, Context())

    assert response == {"batchItemFailures": []}
    assert status(orders, order) is Status.PROCESSED
    assert len(gateway.charges) == 1


def test_a_settled_order_that_comes_again_stays_as_it_is(orders: OrderTable, gateway: Gateway) -> None:
    order = orders.create(an_order())
    process_payment.lambda_handler(a_batch([order]), Context())
    settled = orders.get(order.order_id)
    gateway.declined = {order.order_id}

    response = process_payment.lambda_handler(a_batch([order]), Context())

    assert response == {"batchItemFailures": []}
    assert orders.get(order.order_id) == settled


def test_a_record_of_an_order_that_is_gone_fails(orders: OrderTable, gateway: Gateway) -> None:
    known, gone = orders.create(an_order()), an_order()

    response = process_payment.lambda_handler(a_batch([gone, known]), Context())

    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert status(orders, known) is Status.PROCESSED
    assert len(gateway.charges) == 2


def test_a_batch_of_a_thousand_is_settled_in_forty_calls(
    client: "DynamoDBClient", orders: OrderTable, gateway: Gateway
) -> None:
    placed = [orders.create(an_order()) for _ in range(1000)]
    calls = Counter[str]()
    client.meta.events.register("before-call.dynamodb", lambda model, **_: calls.update([model.name]))

    response = process_payment.lambda_handler(a_batch(placed), Context())

    assert response == {"batchItemFailures": []}
    assert calls == {"BatchExecuteStatement": 40}
    assert len(gateway.charges) == 1000
    assert pending(client, orders) == 0


def test_the_index_lists_what_waits_by_age(client: "DynamoDBClient", orders: OrderTable) -> None:
    order = orders.create(an_order())

    [listed] = client.query(
        TableName=orders.name,
        IndexName="pending-orders",
        KeyConditionExpression="pending_bucket = :bucket",
        ExpressionAttributeValues={":bucket": {"S": str(order.order_id)[0]}},
    )["Items"]

    assert listed["order_id"] == {"S": str(order.order_id)}
    assert listed["created_at"] == to_item(order)["created_at"]
    assert "due_at" not in listed


def test_adding_an_order_again_returns_the_stored_one(orders: OrderTable) -> None:
    order = orders.create(an_order())
    settled = order.processed("payment-1")
    orders.record([settled])

    assert orders.create(order) == settled


def test_fifty_concurrent_orders_of_one_key_are_one_order(client: "DynamoDBClient", orders: OrderTable) -> None:
    order_id = idempotent_order_id("caller-1", "the only one")

    def add(_: int) -> tuple[Order, Order]:
        placed = Order.place(NewOrder.model_validate(VALID), order_id)
        return placed, orders.create(placed)

    with ThreadPoolExecutor(50) as pool:
        added = list(pool.map(add, range(50)))

    assert sum(placed == stored for placed, stored in added) == 1
    assert {stored.created_at for _, stored in added} == {orders.get(order_id).created_at}
    assert client.scan(TableName=orders.name, Select="COUNT")["Count"] == 1


def test_an_unknown_order_is_not_found(orders: OrderTable) -> None:
    with pytest.raises(OrderNotFound):
        orders.get(uuid4())
