"""RecoverOrders, as its schedule calls it: what is due is settled, and every order comes to an end."""

import asyncio
import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest

from functions import recover_orders
from shared import clock
from shared.order import Order, Status, to_timestamp
from shared.order_table import BUCKETS, OrderTable, TableUnavailable, to_item
from shared.payment import Declined, Receipt
from simulation.aws.due_orders import Key
from simulation.aws.memory_dynamodb import Answer, refusal
from tests.builders import Context, FailingDynamoDB, FakeProvider, an_order_of_age
from tests.unit.conftest import log_lines
from tests.unit.functions.test_process_payment import UNREACHABLE, LoopBoundProvider

DEADLINE = timedelta(days=3)
CLOSING = timedelta(minutes=30)

pytestmark = pytest.mark.usefixtures("provider", "table")


def recover(milliseconds: int = 98_000, **event: object) -> dict[str, int]:
    return dict(recover_orders.lambda_handler(event, Context(remaining_milliseconds=milliseconds)))


def recover_until(checks: int) -> dict[str, int]:
    """Run, with too little time to start another attempt once the time left was read so many times."""
    seconds_left = iter([98.0] * checks)
    with patch.object(Context, "get_remaining_time_in_millis", lambda _: next(seconds_left, 20.0) * 1000):
        return recover()


def a_due_order(age: timedelta = timedelta(minutes=6), **changes: object) -> Order:
    return an_order_of_age(age, sampled=False, **changes)


def create_due_orders(table: OrderTable, count: int) -> None:
    for _ in range(count):
        table.create(a_due_order())


def test_a_due_order_is_settled(table: OrderTable, provider: FakeProvider) -> None:
    order = table.create(a_due_order())

    assert recover() == {"recovered": 1, "deferred": 0, "failed": 0}
    assert table.get(order.order_id).status is Status.PROCESSED
    assert [charge[0] for charge in provider.charges] == provider.searches == [order.order_id]


@pytest.mark.parametrize("age", [timedelta(minutes=6), DEADLINE + CLOSING])
def test_what_the_provider_has_charged_before_is_recorded_and_not_charged_again(
    table: OrderTable, provider: FakeProvider, age: timedelta
) -> None:
    order = table.create(a_due_order(age))
    provider.receipts[order.order_id] = Receipt("payment-1")

    assert recover()["recovered"] == 1
    processed = table.get(order.order_id)
    assert (processed.status, processed.payment_id, provider.charges) == (Status.PROCESSED, "payment-1", [])


def test_what_the_provider_has_declined_before_is_declined(table: OrderTable, provider: FakeProvider) -> None:
    order = table.create(a_due_order())
    provider.receipts[order.order_id] = Declined("card expired")

    assert recover()["recovered"] == 1
    assert (table.get(order.order_id).decline_reason, provider.charges) == ("card expired", [])


def test_an_order_whose_payment_fails_again_is_deferred_for_longer(table: OrderTable, provider: FakeProvider) -> None:
    order = table.create(a_due_order(timedelta(hours=1), attempts=3, due_at=clock.now()))
    provider.unavailable = {order.order_id}
    before = clock.now()

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    deferred = table.get(order.order_id)
    assert deferred.attempts == 4
    assert deferred.due_at is not None
    assert timedelta(minutes=4) <= deferred.due_at - before < timedelta(minutes=5)


def test_after_the_deadline_nothing_is_charged_and_nothing_declined_yet(
    table: OrderTable, provider: FakeProvider
) -> None:
    order = table.create(a_due_order(DEADLINE))

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert (provider.searches, provider.charges) == ([order.order_id], [])
    deferred = table.get(order.order_id)
    assert deferred.due_at == order.created_at + DEADLINE + CLOSING


def test_an_order_that_was_never_charged_is_declined_at_its_end_with_the_reason(
    table: OrderTable, provider: FakeProvider
) -> None:
    order = table.create(a_due_order(DEADLINE + CLOSING))

    assert recover()["recovered"] == 1
    declined = table.get(order.order_id)
    assert (declined.status, declined.decline_reason) == (Status.DECLINED, "No payment within 72 hours")
    assert provider.charges == []


def test_an_order_does_not_end_while_the_provider_cannot_be_asked(table: OrderTable, provider: FakeProvider) -> None:
    order = table.create(a_due_order(DEADLINE + CLOSING, attempts=80))
    provider.unavailable = {order.order_id}

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert table.get(order.order_id).due_at > clock.now()  # type: ignore[operator]  # it is deferred


def test_a_run_that_takes_long_charges_nothing_once_the_deadline_has_passed(
    table: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    order = table.create(a_due_order(DEADLINE - timedelta(seconds=1)))
    now = clock.now
    provider.when_asked = lambda _: monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=2))

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert provider.charges == []
    assert table.get(order.order_id).due_at == order.created_at + DEADLINE + CLOSING
    [line] = log_lines(log)
    assert line["message"] == "Order deferred"
    assert "provider_error" not in line  # it did nothing wrong


def test_an_order_that_the_stream_settled_meanwhile_is_left_alone(
    table: OrderTable, dynamodb: FailingDynamoDB, provider: FakeProvider
) -> None:
    settled, deferred = table.create(a_due_order()), table.create(a_due_order())
    read = dynamodb.batch_get_item

    def read_after_both_changed(**request: Any) -> Answer:  # noqa: ANN401  # as boto3's client has it
        assert request["RequestItems"]["orders"]["ConsistentRead"]
        table.record([settled.processed("payment-1"), deferred.deferred(clock.now() + timedelta(seconds=30))])
        return read(**request)

    with patch.object(dynamodb, "batch_get_item", read_after_both_changed):
        assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}

    assert provider.searches == []


def test_an_order_that_another_attempt_settles_at_the_same_time_is_not_counted(
    table: OrderTable, provider: FakeProvider
) -> None:
    order = table.create(a_due_order())
    provider.when_asked = lambda _: table.record([order.processed("payment-1")])

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}
    assert table.get(order.order_id).payment_id == "payment-1"


def test_what_is_not_recorded_is_counted_as_failed_and_logged(
    table: OrderTable, dynamodb: FailingDynamoDB, log: StringIO
) -> None:
    order = table.create(a_due_order())
    dynamodb.outages = [refusal("AccessDeniedException", "BatchExecuteStatement")]

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 1}
    [line] = log_lines(log)
    assert (line["message"], line["order_id"]) == ("Outcome not recorded", str(order.order_id))
    assert line["table_error"].startswith("ClientError: An error occurred (AccessDeniedException)")


def test_the_longest_overdue_are_paid_first_and_each_once(
    table: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_orders, "ORDERS_IN_FLIGHT", 1)
    orders = [table.create(a_due_order(timedelta(minutes=6, seconds=number))) for number in range(250)]

    assert recover()["recovered"] == 250
    assert [charge[0] for charge in provider.charges] == [order.order_id for order in reversed(orders)]


def test_what_becomes_due_during_a_run_is_left_to_the_next(table: OrderTable) -> None:
    table.create(a_due_order(timedelta(minutes=4, seconds=59)))

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}


def test_an_order_that_hangs_keeps_no_other_from_starting(
    table: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.settlement.PROVIDER_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(recover_orders, "ORDERS_IN_FLIGHT", 2)
    hanging = table.create(a_due_order(timedelta(hours=1)))
    provider.hangs = {hanging.order_id}
    create_due_orders(table, 10)

    assert recover() == {"recovered": 10, "deferred": 1, "failed": 0}
    assert provider.searches[0] == hanging.order_id
    assert len(provider.charges) == 10


def test_so_many_orders_and_no_more_are_in_flight(
    table: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_orders, "ORDERS_IN_FLIGHT", 3)
    in_flight, most = 0, 0

    async def find(_: UUID) -> None:
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.001)
        in_flight -= 1

    monkeypatch.setattr(provider, "find", find)
    create_due_orders(table, 30)

    assert recover()["recovered"] == 30
    assert most == 3


def test_the_next_orders_are_read_while_payments_wait(
    table: OrderTable, dynamodb: FailingDynamoDB, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_due_orders(table, 101)
    read, is_read_twice = dynamodb.batch_get_item, threading.Event()
    reads: list[int] = []

    def counted(**request: Any) -> dict[str, Any]:  # noqa: ANN401  # as boto3's client has it
        reads.append(len(request["RequestItems"]["orders"]["Keys"]))
        if len(reads) == 2:
            is_read_twice.set()
        return read(**request)

    async def find(_: UUID) -> None:
        assert await asyncio.to_thread(is_read_twice.wait, 5)

    monkeypatch.setattr(dynamodb, "batch_get_item", counted)
    monkeypatch.setattr(provider, "find", find)

    assert recover()["recovered"] == 101
    assert reads == [100, 1]


def test_no_attempt_starts_that_the_time_left_may_not_suffice_for(table: OrderTable) -> None:
    table.create(a_due_order())

    assert recover(40_900) == {"recovered": 0, "deferred": 0, "failed": 0}
    assert recover(41_000)["recovered"] == 1


def test_what_has_started_when_the_time_is_over_is_counted(table: OrderTable, provider: FakeProvider) -> None:
    create_due_orders(table, 50)

    assert 0 < recover_until(20)["recovered"] == len(provider.charges) < 50


def test_a_connection_that_fails_ends_the_run(
    table: OrderTable, dynamodb: FailingDynamoDB, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recover_orders, "ORDERS_IN_FLIGHT", 100)
    create_due_orders(table, 150)
    dynamodb.outages = [UNREACHABLE] * 150

    assert recover() == {"recovered": 0, "deferred": 0, "failed": len(provider.charges)}
    assert len(provider.charges) <= 100


@dataclass
class MillionDueOrders:
    """An index with a million entries, 62,500 in each bucket, of which each is made when it is read."""

    first_due_at: datetime
    pages: int = 0

    def page(self, bucket: str, due_by: str, position: Key | None, limit: int) -> list[Key]:
        self.pages += 1
        start = int(position.order_id[1:8], 16) + 1 if position else 0
        numbers = range(start, min(start + limit, 62_500))
        keys = [self.key(bucket, number) for number in numbers]
        assert keys[-1].due_at <= due_by
        return keys

    def key(self, bucket: str, number: int) -> Key:
        due_at = to_timestamp(self.first_due_at + timedelta(milliseconds=number))
        return Key(bucket, due_at, f"{bucket}{number:07x}-0000-4000-8000-000000000000")

    def change(self, before: Key | None, after: Key | None) -> None:
        """Take no note: the test reads no entry twice."""


def test_with_a_million_due_orders_the_first_payment_starts_after_sixteen_reads(
    dynamodb: FailingDynamoDB, table: OrderTable, provider: FakeProvider
) -> None:
    index = MillionDueOrders(clock.now() - timedelta(minutes=5))
    for _, due_at, order_id in (index.key(bucket, number) for bucket in BUCKETS for number in range(10)):
        table.create(a_due_order(due_at=datetime.fromisoformat(due_at), order_id=UUID(order_id)))
    dynamodb.index = index
    pages_before: list[int] = []
    provider.when_asked = lambda _: pages_before.append(index.pages)

    assert recover_until(300) == {"recovered": 160, "deferred": 0, "failed": 0}
    assert pages_before[0] == 16
    assert index.pages < 200


def test_a_thousand_orders_that_keep_failing_do_not_keep_a_younger_one_waiting(
    table: OrderTable, provider: FakeProvider
) -> None:
    younger = table.create(a_due_order(timedelta(minutes=6)))
    # They failed before, and have been due again for up to 100 s.
    for number in range(1_000):
        failing = a_due_order(timedelta(hours=2), attempts=7, due_at=clock.now() - timedelta(seconds=number / 10))
        provider.unavailable.add(table.create(failing).order_id)

    assert recover() == {"recovered": 1, "deferred": 1_000, "failed": 0}
    assert table.get(younger.order_id).status is Status.PROCESSED


def test_a_run_reads_the_buckets_that_its_event_names(table: OrderTable, dynamodb: FailingDynamoDB) -> None:
    for bucket in BUCKETS:
        table.create(a_due_order(order_id=UUID(int=int(bucket, 16) << 124)))

    assert recover(buckets="0a")["recovered"] == 2
    settled = {order_id[0] for order_id, item in dynamodb.items.items() if "pending_bucket" not in item}
    assert settled == {"0", "a"}


def test_an_item_that_is_not_an_order_does_not_stay_at_the_head(
    table: OrderTable, dynamodb: FailingDynamoDB, log: StringIO
) -> None:
    readable, unreadable = table.create(a_due_order()), a_due_order(timedelta(hours=1))
    dynamodb.put_item(TableName="orders", Item=to_item(unreadable) | {"currency": {"N": "4711"}})
    before = clock.now()

    assert recover() == {"recovered": 1, "deferred": 0, "failed": 1}
    assert table.get(readable.order_id).status is Status.PROCESSED
    due_at = dynamodb.items[str(unreadable.order_id)]["due_at"]["S"]
    assert to_timestamp(before + timedelta(hours=1)) <= due_at <= to_timestamp(clock.now() + timedelta(hours=1))
    line = next(line for line in log_lines(log) if line["level"] == "ERROR")
    assert (line["message"], line["order_id"]) == ("Order postponed", str(unreadable.order_id))
    assert line["reason"] == "The item is not a valid order: currency (string_type)"


def test_an_order_whose_outcome_dynamodb_refuses_does_not_stay_at_the_head(
    table: OrderTable, dynamodb: FailingDynamoDB, log: StringIO
) -> None:
    order = table.create(a_due_order())
    dynamodb.errors[order.order_id] = ["ValidationError"]

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 1}
    postponed = table.get(order.order_id)
    assert postponed.attempts == 0
    assert postponed.due_at is not None
    assert postponed.due_at - clock.now() > timedelta(minutes=59)
    assert log_lines(log)[-1]["reason"] == "DynamoDB refuses its outcome: ValidationError"


def test_an_order_that_cannot_be_postponed_either_stays_as_it_is_and_is_logged(
    table: OrderTable, dynamodb: FailingDynamoDB, log: StringIO
) -> None:
    order = table.create(a_due_order())
    dynamodb.errors[order.order_id] = ["ValidationError"] * 2

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 1}
    assert table.get(order.order_id) == order
    refusals = "DynamoDB refuses its outcome: ValidationError; it is not postponed: ValidationError"
    assert log_lines(log)[-1]["reason"] == refusals


@pytest.mark.filterwarnings("ignore:No application metrics")  # a run that fails so early has none
def test_a_table_that_is_unavailable_fails_the_run(dynamodb: FailingDynamoDB) -> None:
    throttled = refusal("ThrottlingException", "Query")
    with patch.object(dynamodb, "query", side_effect=throttled), pytest.raises(TableUnavailable):
        recover()


def test_a_read_that_fails_during_a_run_lets_the_payments_end(
    table: OrderTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_due_orders(table, 101)
    due = table.due

    def due_for_a_while(*arguments: Any) -> Any:  # noqa: ANN401  # those of OrderTable.due
        for number, entry in enumerate(due(*arguments)):
            if number == 100:
                raise TableUnavailable("ThrottlingException")
            yield entry

    monkeypatch.setattr(table, "due", due_for_a_while)

    with pytest.raises(TableUnavailable):
        recover()
    assert len(provider.charges) == 100
    assert recover_orders.orders.get(provider.charges[0][0]).status is Status.PROCESSED


def test_a_client_that_is_bound_to_an_event_loop_serves_every_run(
    table: OrderTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.setattr(recover_orders, "provider", LoopBoundProvider())
    table.create(a_due_order())
    assert recover()["recovered"] == 1

    table.create(a_due_order())

    assert recover()["recovered"] == 1
    assert not asyncio.all_tasks(recover_orders.runner.get_loop())


@pytest.mark.parametrize(("minutes", "overdue_seconds"), [((10, 7), 300), ((), 0)])
def test_how_long_the_most_overdue_payment_has_been_due_is_a_metric(
    table: OrderTable, capsys: pytest.CaptureFixture[str], minutes: tuple[int, ...], overdue_seconds: int
) -> None:
    for each in minutes:
        table.create(a_due_order(timedelta(minutes=each)))

    recover()

    metrics = json.loads(capsys.readouterr().out)
    assert metrics["MostOverduePayment"] == [pytest.approx(overdue_seconds, abs=10 if minutes else 0)]
