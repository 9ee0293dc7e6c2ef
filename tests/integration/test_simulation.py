"""The simulation: the service keeps its promises whatever fails, and a service that is broken is found out."""

import asyncio
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import Thread
from typing import Any
from weakref import WeakKeyDictionary

import pytest

from shared import outcome_writer, retry_schedule
from shared.order import Order, Status
from shared.order_table import OrderTable, TableUnavailable, to_item
from shared.payment import ProviderUnavailable
from shared.retry_schedule import RetrySchedule, Step
from shared.settlement import Settlement
from shared.tracing import Attempt
from simulation.aws.settings import Settings
from simulation.aws.unreliable_dynamodb import UnreliableDynamoDB
from simulation.world import World
from tests.waiting import eventually
from tools.repository import ROOT

pytestmark = pytest.mark.no_cover  # which makes them slower; the unit tests cover all of the service

ORDERS = 400
FIXED_SEED = 7
# A service that is broken is found within so many orders.
MOST_ORDERS = 5_000
NEXT_STEP = RetrySchedule.next_step

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def settings(resolved_service: dict[str, Any]) -> Settings:
    return Settings.of(resolved_service)


@pytest.mark.parametrize("seed", [FIXED_SEED, secrets.randbelow(1_000_000)], ids=["fixed seed", "random seed"])
def test_every_promise_is_kept(settings: Settings, seed: int) -> None:
    print(f"World {seed} of {ORDERS} orders")  # noqa: T201  # pytest shows it if the test fails

    outcome = World(settings, ORDERS, str(seed)).run()

    assert outcome.broken is None, outcome.broken
    assert outcome.counts["accepted"] > ORDERS * 0.9
    assert outcome.counts["still PENDING"] == 0


def test_the_same_seed_gives_the_same_run_and_another_one_another(settings: Settings, monkeypatch: Patch) -> None:
    monkeypatch.delattr(Thread, "start")  # a real thread's turn would be another in each run

    runs = [World(settings, 20, seed).run() for seed in ("1", "1", "2")]

    assert runs[0] == runs[1]
    assert runs[0].digest != runs[2].digest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_ended_leaves_no_process(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "simulation", "--orders", "20000"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE, text=True) as run:
        eventually(lambda: _workers(run.pid))

        run.send_signal(number)

        assert not run.communicate(timeout=30)[1].strip()
    assert run.returncode == 130
    eventually(lambda: not _workers(run.pid))


def _workers(group: int) -> str:
    command = ["pgrep", "-g", str(group), "-f", "spawn_main"]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def write_unconditionally(patch: Patch) -> None:
    def without_conditions(statement: dict[str, Any]) -> None:
        update, _, condition = statement["Statement"].partition('"order_id"=?')
        statement["Statement"] = f'{update}"order_id"=?'
        if condition.endswith('"attempts"=?'):
            del statement["Parameters"][-1]

    _change_statements(patch, without_conditions)


def leave_settled_orders_in_the_index(patch: Patch) -> None:
    def without_removal(statement: dict[str, Any]) -> None:
        statement["Statement"] = statement["Statement"].replace(' REMOVE "pending_bucket"', "")

    _change_statements(patch, without_removal)


def _change_statements(patch: Patch, change: Callable[[dict[str, Any]], None]) -> None:
    update = OrderTable._update  # noqa: SLF001  # what a mistake in it would do

    def changed(table: OrderTable, outcome: Order) -> Any:  # noqa: ANN401
        statement: Any = update(table, outcome)
        change(statement)
        return statement

    patch.setattr(OrderTable, "_update", changed)


def never_ask_the_provider(patch: Patch) -> None:
    _change_steps(patch, {Step.ASK_THEN_CHARGE: Step.CHARGE})


def charge_after_the_deadline(patch: Patch) -> None:
    _change_steps(patch, {Step.ASK_THEN_WAIT: Step.ASK_THEN_CHARGE, Step.ASK_THEN_END: Step.ASK_THEN_CHARGE})


def _change_steps(patch: Patch, changes: dict[Step, Step]) -> None:
    def changed(schedule: RetrySchedule, order: Order, now: datetime) -> Step:
        step = NEXT_STEP(schedule, order, now)
        return changes.get(step, step)

    patch.setattr(RetrySchedule, "next_step", changed)


def decide_once_in_an_attempt(patch: Patch) -> None:
    decided = WeakKeyDictionary[Any, Step]()

    def next_step(schedule: RetrySchedule, order: Order, now: datetime) -> Step:
        return decided.setdefault(asyncio.current_task(), NEXT_STEP(schedule, order, now))

    patch.setattr(RetrySchedule, "next_step", next_step)


def end_at_the_deadline(patch: Patch) -> None:
    patch.setattr(retry_schedule, "CLOSING", timedelta())


def fail_the_record_of_a_failed_payment(patch: Patch) -> None:
    pay = Settlement._pay  # noqa: SLF001  # as above

    async def failing(self: Settlement, order: Order, attempt: Attempt) -> Order:
        outcome = await pay(self, order, attempt)
        if outcome.status is Status.PENDING:
            raise ProviderUnavailable
        return outcome

    patch.setattr(Settlement, "_pay", failing)


def take_a_throttle_for_an_outage(patch: Patch) -> None:
    patch.setattr(outcome_writer, "TableUnreachable", TableUnavailable)


def try_again_at_once(patch: Patch) -> None:
    patch.setattr(RetrySchedule, "next_attempt_at", lambda _self, _order, now: now)


def count_what_another_attempt_recorded(patch: Patch) -> None:
    def after_attempt(self: Order, **update: object) -> Order:
        return self.model_copy(update={"attempt_id": "1", **update})

    patch.setattr(Order, "_after_attempt", after_attempt)


def overwrite_an_order_that_is_created_again(patch: Patch) -> None:
    def create(table: OrderTable, order: Order) -> Order:
        table._client.put_item(TableName=table.name, Item=to_item(order))  # noqa: SLF001  # as above
        return order

    patch.setattr(OrderTable, "create", create)


def count_an_attempt_twice(patch: Patch) -> None:
    deferred = Order.deferred

    def twice(self: Order, due_at: datetime) -> Order:
        return deferred(self, due_at).model_copy(update={"attempts": self.attempts + 2})

    patch.setattr(Order, "deferred", twice)


def take_the_newest_first(patch: Patch) -> None:
    due = OrderTable.due
    patch.setattr(OrderTable, "due", lambda *arguments: iter(list(due(*arguments))[::-1]))


def read_the_first_page_only(patch: Patch) -> None:
    query = UnreliableDynamoDB.query

    def first_page(self: UnreliableDynamoDB, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        answer = query(self, **arguments)
        answer.pop("LastEvaluatedKey", None)
        return answer

    patch.setattr(UnreliableDynamoDB, "query", first_page)


def read_what_may_be_stale(patch: Patch) -> None:
    read = UnreliableDynamoDB.batch_get_item

    def stale(self: UnreliableDynamoDB, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        [request] = RequestItems.values()
        request["ConsistentRead"] = False
        return read(self, RequestItems=RequestItems)

    patch.setattr(UnreliableDynamoDB, "batch_get_item", stale)


# `world` is where the search begins: the number of one that finds the error.
@pytest.mark.parametrize(
    ("break_it", "promise", "world"),
    [
        (write_unconditionally, "a settled order never changes", 0),
        (leave_settled_orders_in_the_index, "a settled order is not in the index", 0),
        (never_ask_the_provider, "no order is charged twice", 0),
        (fail_the_record_of_a_failed_payment, "an order that nothing troubles waits at most 20 s", 0),
        (take_a_throttle_for_an_outage, "a failing payment does not have others charged again", 0),
        (try_again_at_once, "failed attempts become rarer", 0),
        (count_what_another_attempt_recorded, "each order is reported as settled once", 0),
        (overwrite_an_order_that_is_created_again, "settled order never changes|failed attempt is counted once", 0),
        (end_at_the_deadline, "an order that was charged is not declined", 5),
        (decide_once_in_an_attempt, "no charge begins after the deadline", 5),
        (count_an_attempt_twice, "an attempt takes at most 6 runs", 0),
        (take_the_newest_first, "no order waits behind one that is due a run later", 0),
        (read_the_first_page_only, "no order waits behind one that is due a run later", 3),
        (read_what_may_be_stale, "RecoverOrders takes only what is PENDING and due", 3),
        (charge_after_the_deadline, "no charge begins after the deadline", 0),
    ],
)
def test_a_service_that_is_broken_is_found(
    settings: Settings, monkeypatch: Patch, break_it: Callable[[Patch], None], promise: str, world: int
) -> None:
    break_it(monkeypatch)

    assert re.search(promise, _first_broken_promise(settings, world))


def test_every_promise_is_kept_when_many_orders_pass_their_deadline(settings: Settings) -> None:
    outcome = World(_with_deadline(settings, seconds=300), ORDERS, str(FIXED_SEED)).run()

    assert outcome.broken is None, outcome.broken
    assert outcome.counts["declined"] > ORDERS * 0.1


def _with_deadline(settings: Settings, *, seconds: int) -> Settings:
    return replace(settings, variables={**settings.variables, "PAYMENT_DEADLINE_SECONDS": str(seconds)})


def _first_broken_promise(settings: Settings, first_world: int) -> str:
    orders = 0
    for number in range(first_world, first_world + MOST_ORDERS // ORDERS):
        outcome = World(settings, ORDERS, f"broken/{number}").run()
        orders += outcome.orders
        if outcome.broken:
            print(f"Found after {orders} orders")  # noqa: T201  # as above
            return outcome.broken
    return ""
