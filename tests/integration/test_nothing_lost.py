"""Nothing lost, nobody charged twice: the flow under random faults, on DynamoDB Local and its real stream."""

import itertools
import json
import threading
import time
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from functions import create_order, process_payment, recover_orders
from local import service
from local.dynamodb import DynamoDBLocal
from local.stream_mapping import FunctionError, MappingSettings, StreamMapping
from shared import settlement
from shared.order import Order, Status
from shared.order_table import to_item, to_order
from tests.builders import VALID, Context, a_record, a_request, an_order
from tests.unreliable import Provider, UnreliableTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

QUIET_SECONDS, LIMIT_SECONDS = 0.15, 60
GATEWAY_FAULTS = ["unavailable", "hangs", "charges, then hangs"]
TABLE_FAULTS = [None, "throttled", "crash before the write", "crash after the write"]
# For each order: the faults that the provider answers one after the other; whether it is declined; whether it has a key
ORDERS = st.lists(
    st.tuples(st.lists(st.sampled_from(GATEWAY_FAULTS), max_size=6), st.booleans(), st.booleans()),
    min_size=3,
    max_size=10,
)

_numbers = itertools.count()


class Flow(RuleBasedStateMachine):
    """Clients, the stream, recovery runs, and everything that may go wrong between them, in any order."""

    client: "DynamoDBClient"
    streams: "DynamoDBStreamsClient"
    service: dict[str, Any]
    tally: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        name = f"flow-{next(_numbers)}"
        self.client.create_table(**service.orders_table_definition(self.service) | {"TableName": name})
        self.stream_arn = self.client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
        self.orders, self.provider = UnreliableTable(name, self.client), Provider()
        self.accepted: dict[UUID, set[str]] = {}
        self.keyed: dict[str, UUID] = {}
        self.monkeypatch = pytest.MonkeyPatch()
        self.monkeypatch.setattr(settlement, "GATEWAY_TIMEOUT_SECONDS", 0.02)
        impatient = recover_orders.settings.model_copy(update={"recovery_grace_seconds": 0})
        self.monkeypatch.setattr(recover_orders, "settings", impatient)
        for function in (create_order, process_payment, recover_orders):
            self.monkeypatch.setattr(function, "orders", self.orders)
        for function in (process_payment, recover_orders):
            self.monkeypatch.setattr(function, "gateway", self.provider)

    def post(self, key: str | None) -> tuple[int, dict[str, Any]]:
        headers = {"Idempotency-Key": key} if key else {}
        answer = create_order.lambda_handler(a_request("POST", "/orders", VALID, headers=headers), Context())
        return answer["statusCode"], json.loads(answer["body"])

    @initialize(orders=ORDERS)
    def open_the_shop(self, orders: list[tuple[list[str], bool, bool]]) -> None:
        self.create(orders)

    @rule(orders=ORDERS)
    def create(self, orders: list[tuple[list[str], bool, bool]]) -> None:
        for faults, declined, with_key in orders:
            key = f"key-{len(self.keyed)}" if with_key else None
            code, body = self.post(key)
            assert code == 201
            order_id = UUID(body["order_id"])
            self.accepted[order_id] = {*faults, "declined" if declined else "paid"}
            self.provider.faults[order_id] = list(faults)
            self.provider.declines |= {order_id} if declined else set()
            if key:
                self.keyed[key] = order_id

    @precondition(lambda self: self.keyed)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.keyed)))
        code, body = self.post(key)
        assert (code, UUID(body["order_id"])) == (200, self.keyed[key])

    @rule()
    def write_poison(self) -> None:
        self.client.put_item(TableName=self.orders.name, Item=to_item(an_order()) | {"customer_id": {"N": "7"}})

    @rule(
        crashes=st.lists(st.sampled_from(["none", "before the payment", "after all is done"]), max_size=12),
        fault=st.sampled_from(TABLE_FAULTS),
    )
    def deliver(self, crashes: list[str], fault: str | None) -> None:
        """Let the mapping deliver all there is, from the beginning, until it has nothing left to try."""
        self.orders.fault = fault
        one_at_a_time, last_active, stop = threading.Lock(), [time.monotonic()], threading.Event()

        def invoke(event: dict[str, Any]) -> dict[str, Any]:
            with one_at_a_time:
                crash = crashes.pop() if crashes else "none"
                try:
                    if crash == "before the payment":
                        raise FunctionError(crash)
                    response = dict(process_payment.lambda_handler(event, Context()))
                    if crash == "after all is done":
                        raise FunctionError(crash)
                    return response
                finally:
                    last_active[0] = time.monotonic()

        mapping = StreamMapping(
            settings=MappingSettings.from_event(service.stream_event(self.service, "processPayment")),
            client=self.streams,
            stream_arn=self.stream_arn,
            function_arn=Context.invoked_function_arn,
            invoke=invoke,
            on_failure=lambda _: None,
            pause=lambda stop, seconds: stop.wait(min(seconds, 0.01)),
        )
        thread = threading.Thread(target=mapping.run, args=[stop])
        thread.start()
        deadline = time.monotonic() + LIMIT_SECONDS
        while one_at_a_time.locked() or time.monotonic() - last_active[0] < QUIET_SECONDS:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        stop.set()
        thread.join()
        self.orders.fault = None

    @precondition(lambda self: self.accepted)
    @rule(data=st.data())
    def deliver_again_in_disorder(self, data: st.DataObject) -> None:
        """Duplicates within a batch and across batches, in an order of their own."""
        drawn = data.draw(st.lists(st.sampled_from(sorted(self.accepted)), min_size=1, max_size=8))
        stored = [self.orders.get(order_id).model_copy(update={"status": Status.PENDING}) for order_id in drawn]
        records = [a_record(order, number) for number, order in enumerate(stored, 1)]
        process_payment.lambda_handler({"Records": records}, Context())

    @rule(fault=st.sampled_from(TABLE_FAULTS))
    def recover(self, fault: str | None) -> None:
        self.orders.fault = fault
        recover_orders.lambda_handler({}, Context())
        self.orders.fault = None

    @invariant()
    def what_is_settled_is_settled_right(self) -> None:
        for order in self.stored():
            assert order.status is not Status.PROCESSED or order.order_id in self.provider.charged
            assert order.status is not Status.DECLINED or order.order_id not in self.provider.charged

    def stored(self) -> list[Order]:
        pages = self.client.get_paginator("scan").paginate(TableName=self.orders.name, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        return [to_order(item) for item in items if UUID(item["order_id"]["S"]) in self.accepted]

    def teardown(self) -> None:
        """When the faults are over, recovery alone settles all that is left."""
        for _ in range(8):
            recover_orders.lambda_handler({}, Context())
        stored = {order.order_id: order for order in self.stored()}
        self.monkeypatch.undo()
        assert stored.keys() == self.accepted.keys()
        assert {order.status for order in stored.values()} <= {Status.PROCESSED, Status.DECLINED}
        assert self.provider.charged == {each for each in stored if stored[each].status is Status.PROCESSED}
        self.tally.update(chain.from_iterable(self.accepted.values()))
        self.client.delete_table(TableName=self.orders.name)


def test_every_accepted_order_ends_settled_and_is_charged_at_most_once(
    client: "DynamoDBClient", dynamodb: DynamoDBLocal, resolved_service: dict[str, Any]
) -> None:
    streams = boto3.client("dynamodbstreams", endpoint_url=dynamodb.endpoint_url)
    parts: dict[str, Any] = {"client": client, "streams": streams, "service": resolved_service, "tally": Counter[str]()}
    often = settings(
        max_examples=30,
        stateful_step_count=20,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )

    run_state_machine_as_test(type("FlowOnDynamoDBLocal", (Flow,), parts), settings=often)

    tried = parts["tally"]
    assert set(tried) == {*GATEWAY_FAULTS, "declined", "paid"}
