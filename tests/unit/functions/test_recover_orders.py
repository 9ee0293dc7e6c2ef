"""RecoverOrders, as its schedule calls it: what is due is settled, and every order comes to an end."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import pytest

from functions import recover_orders
from shared import clock
from shared.order import Order, Status
from shared.order_table import OrderTable, TableUnavailable
from shared.payment import Declined, Receipt
from simulation.aws.memory_dynamodb import MemoryDynamoDB
from tests.builders import Context, FakeProvider, Table, an_order
from tests.unit.conftest import log_lines
from tests.unit.functions.test_process_payment import LoopBoundProvider

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DEADLINE = timedelta(days=3)
CLOSING = timedelta(minutes=30)


@dataclass
class RecoverableTable(Table):
    """A table that lists each of its PENDING orders as due."""

    limits: list[int] = field(default_factory=list)

    def create(self, order: Order) -> Order:
        self.stored[order.order_id] = order
        return order

    def oldest_pending(self) -> datetime | None:
        return min((order.created_at for order in self._pending()), default=None)

    def due(self, now: datetime, grace: timedelta, limit: int) -> list[UUID]:
        assert clock.now() - now < timedelta(seconds=10)
        assert grace == timedelta(seconds=300)
        self.limits.append(limit)
        return [order.order_id for order in self._pending()][:limit]

    def read(self, order_ids: Sequence[UUID]) -> Iterator[Order]:
        return (self.stored[order_id] for order_id in order_ids)

    def _pending(self) -> list[Order]:
        return [order for order in self.stored.values() if order.status is Status.PENDING]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> RecoverableTable:
    table = RecoverableTable()
    monkeypatch.setattr(recover_orders, "orders", table)
    return table


@pytest.fixture(autouse=True)
def _provider(provider: FakeProvider) -> FakeProvider:
    return provider


def recover(milliseconds: int = 60_000) -> dict[str, int]:
    return dict(recover_orders.lambda_handler({}, Context(remaining_milliseconds=milliseconds)))


def an_order_of_age(age: timedelta, **changes: object) -> Order:
    order = an_order(sampled=False)
    return order.model_copy(update={"created_at": order.created_at - age, **changes})


def test_a_due_order_is_settled(table: RecoverableTable, provider: FakeProvider) -> None:
    order = table.create(an_order())

    assert recover() == {"recovered": 1, "deferred": 0, "failed": 0}
    assert table.stored[order.order_id].status is Status.PROCESSED
    assert [charge[0] for charge in provider.charges] == provider.searches == [order.order_id]


def test_what_the_provider_has_charged_before_is_recorded_and_not_charged_again(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order())
    provider.receipts[order.order_id] = Receipt("payment-1")

    assert recover()["recovered"] == 1
    assert (table.stored[order.order_id].payment_id, provider.charges) == ("payment-1", [])


def test_what_the_provider_has_declined_before_is_declined(table: RecoverableTable, provider: FakeProvider) -> None:
    order = table.create(an_order())
    provider.receipts[order.order_id] = Declined("card expired")

    assert recover()["recovered"] == 1
    assert (table.stored[order.order_id].decline_reason, provider.charges) == ("card expired", [])


def test_an_order_whose_payment_fails_again_is_deferred_for_longer(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order_of_age(timedelta(hours=1), attempts=3, due_at=clock.now()))
    provider.unavailable = {order.order_id}
    before = clock.now()

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    deferred = table.stored[order.order_id]
    assert deferred.attempts == 4
    assert deferred.due_at is not None
    assert timedelta(minutes=4) <= deferred.due_at - before < timedelta(minutes=5)


def test_after_the_deadline_nothing_is_charged_and_nothing_declined_yet(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order_of_age(DEADLINE))

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert (provider.searches, provider.charges) == ([order.order_id], [])
    deferred = table.stored[order.order_id]
    assert deferred.due_at == order.created_at + DEADLINE + CLOSING


def test_an_order_that_was_charged_after_all_is_processed_at_its_end(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order_of_age(DEADLINE + CLOSING))
    provider.receipts[order.order_id] = Receipt("payment-1")

    assert recover()["recovered"] == 1
    assert table.stored[order.order_id].status is Status.PROCESSED


def test_an_order_that_was_never_charged_is_declined_at_its_end_with_the_reason(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order_of_age(DEADLINE + CLOSING))

    assert recover()["recovered"] == 1
    declined = table.stored[order.order_id]
    assert (declined.status, declined.decline_reason) == (Status.DECLINED, "No payment within 72 hours")
    assert provider.charges == []


def test_an_order_does_not_end_while_the_provider_cannot_be_asked(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order_of_age(DEADLINE + CLOSING, attempts=80))
    provider.unavailable = {order.order_id}

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert table.stored[order.order_id].due_at > clock.now()  # type: ignore[operator]  # it is deferred


def test_a_run_that_takes_long_charges_nothing_once_the_deadline_has_passed(
    table: RecoverableTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    order = table.create(an_order_of_age(DEADLINE - timedelta(seconds=1)))
    find, now = provider.find, clock.now

    async def find_slowly(order_id: UUID) -> Receipt | None:
        monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=2))
        return await find(order_id)

    monkeypatch.setattr(provider, "find", find_slowly)

    assert recover() == {"recovered": 0, "deferred": 1, "failed": 0}
    assert provider.charges == []
    assert table.stored[order.order_id].due_at == order.created_at + DEADLINE + CLOSING
    assert log_lines(log)[0]["reason"] == (
        "the deadline has passed; the provider is asked once more before the order ends"
    )


def test_an_order_that_the_stream_settled_meanwhile_is_left_alone(
    table: RecoverableTable, provider: FakeProvider
) -> None:
    order = table.create(an_order())
    due = table.due

    def due_then_settled(now: datetime, grace: timedelta, limit: int) -> list[UUID]:
        listed = due(now, grace, limit)
        table.create(order.processed("payment-1"))
        return listed

    table.due = due_then_settled  # type: ignore[method-assign]

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}
    assert provider.searches == []


def test_an_order_that_another_attempt_settles_at_the_same_time_is_not_counted(
    table: RecoverableTable, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = table.create(an_order())
    charge = provider.charge

    async def charged_twice(**payment: Any) -> Receipt:  # noqa: ANN401  # as PaymentProvider.charge has it
        table.create(order.processed("payment-1"))
        return await charge(**payment)

    monkeypatch.setattr(provider, "charge", charged_twice)

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}
    assert table.stored[order.order_id].payment_id == "payment-1"


def test_what_is_not_recorded_is_counted_as_failed_and_logged(table: RecoverableTable, log: StringIO) -> None:
    order = table.create(an_order())
    table.outages = [RuntimeError("AccessDenied")]

    assert recover() == {"recovered": 0, "deferred": 0, "failed": 1}
    [line] = log_lines(log)
    assert (line["message"], line["order_id"]) == ("Outcome not recorded", str(order.order_id))


def test_a_run_settles_its_orders_in_batches(table: RecoverableTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recover_orders, "ORDERS_PER_BATCH", 2)
    for _ in range(5):
        table.create(an_order())

    assert recover()["recovered"] == 5
    assert sorted(len(call) for call in table.calls) == [1, 2, 2]
    assert table.limits == [20_000]


def test_no_batch_starts_that_the_time_left_may_not_suffice_for(table: RecoverableTable) -> None:
    table.create(an_order())

    assert recover(40_900) == {"recovered": 0, "deferred": 0, "failed": 0}
    assert recover(41_000)["recovered"] == 1


def test_a_thousand_orders_that_keep_failing_do_not_keep_a_younger_one_waiting(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = OrderTable("orders", cast("DynamoDBClient", MemoryDynamoDB("orders")))
    monkeypatch.setattr(recover_orders, "orders", orders)
    monkeypatch.setattr(recover_orders, "ORDERS_PER_RUN", 50)  # a twentieth of what fails
    now = clock.now()
    # It has been due for 96 s: 40 of those below are before it.
    younger = orders.create(an_order_of_age(timedelta(minutes=5, seconds=96)))
    # They failed before, and have been due again for up to 100 s: at this very moment all of them are.
    for number in range(1_000):
        failing = an_order_of_age(timedelta(hours=2), attempts=7, due_at=now - timedelta(seconds=number / 10))
        provider.unavailable.add(orders.create(failing).order_id)

    assert recover() == {"recovered": 1, "deferred": 49, "failed": 0}
    assert orders.get(younger.order_id).status is Status.PROCESSED


def test_without_pending_orders_the_index_is_read_once(table: RecoverableTable) -> None:
    assert recover() == {"recovered": 0, "deferred": 0, "failed": 0}
    assert table.limits == []


@pytest.mark.filterwarnings("ignore:No application metrics")  # a run that fails so early has none
def test_a_table_that_is_unavailable_fails_the_run(table: RecoverableTable) -> None:
    def unavailable() -> datetime:
        raise TableUnavailable("ThrottlingException")

    table.oldest_pending = unavailable  # type: ignore[method-assign]

    with pytest.raises(TableUnavailable):
        recover()


def test_a_client_that_is_bound_to_an_event_loop_serves_every_run(
    table: RecoverableTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.setattr(recover_orders, "provider", LoopBoundProvider())
    monkeypatch.setattr(recover_orders, "ORDERS_PER_BATCH", 1)
    table.create(an_order())
    table.create(an_order())
    assert recover()["recovered"] == 2

    table.create(an_order())

    assert recover()["recovered"] == 1
    assert not asyncio.all_tasks(recover_orders.runner.get_loop())


def test_the_age_of_the_oldest_pending_order_is_a_metric(
    table: RecoverableTable, capsys: pytest.CaptureFixture[str]
) -> None:
    table.create(an_order_of_age(timedelta(minutes=10)))
    table.create(an_order_of_age(timedelta(minutes=7)))

    recover()

    assert json.loads(capsys.readouterr().out)["OldestPendingOrder"] == [pytest.approx(600, abs=60)]


def test_a_run_without_pending_orders_says_so(table: RecoverableTable, capsys: pytest.CaptureFixture[str]) -> None:
    recover()

    assert json.loads(capsys.readouterr().out)["OldestPendingOrder"] == [0.0]
    assert table.calls == []
