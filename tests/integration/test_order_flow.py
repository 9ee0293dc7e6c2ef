"""The order's way: created, announced by the table's own stream, paid for, settled; and what may go wrong on it."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from functions import create_order, get_order
from shared.order import NewOrder, Order, Status, idempotent_order_id
from shared.order_table import OrderTable, to_item
from tests.builders import VALID, Context, FakeProvider, a_request, an_order
from tests.integration.conftest import Connect
from tests.waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def post() -> dict[str, Any]:
    answer = create_order.lambda_handler(a_request("POST", "/orders", VALID), Context())
    assert answer["statusCode"] == 201
    return dict(json.loads(answer["body"]))


def get(order_id: str) -> dict[str, Any]:
    return dict(json.loads(get_order.lambda_handler(a_request("GET", f"/orders/{order_id}"), Context())["body"]))


def status(orders: OrderTable, order: Order) -> Status:
    return orders.get(order.order_id).status


def pending(client: "DynamoDBClient", orders: OrderTable) -> int:
    return client.scan(TableName=orders.name, IndexName="due-orders", Select="COUNT")["Count"]


def test_an_order_is_created_then_paid_for_and_its_failing_neighbour_deferred_without_a_redelivery(
    client: "DynamoDBClient", orders: OrderTable, provider: FakeProvider, connect_stream: Connect
) -> None:
    created, failing = post(), orders.create(an_order())
    provider.unavailable = {failing.order_id}
    assert (get(created["order_id"]), pending(client, orders)) == (created, 2)

    with connect_stream() as failures:
        eventually(lambda: get(created["order_id"])["status"] == "PROCESSED")
        eventually(lambda: orders.get(failing.order_id).attempts == 1)

    processed, deferred = get(created["order_id"]), orders.get(failing.order_id)
    assert processed == created | {name: processed[name] for name in ("status", "payment_id", "processed_at")}
    assert (deferred.status, deferred.due_at is None, pending(client, orders)) == (Status.PENDING, False, 1)
    assert (len(provider.charges), failures) == (2, [])


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
