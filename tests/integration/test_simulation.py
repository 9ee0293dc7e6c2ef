"""The simulation: the service keeps its promises whatever fails, and a service that is broken is found out."""

# ruff: noqa: ANN401 - errors are planted in functions of many types

import asyncio
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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


def test_the_same_seed_gives_the_same_run_and_another_one_another(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
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


@dataclass(frozen=True)
class Mistake:
    """An error of the service: what is in the place of one of its own parts, and the promise that it breaks.

    `world` is where the search begins: the number of one that finds the error.
    """

    owner: Any
    name: str
    replacement: Callable[[Any], Any]  # gets the original
    promise: str
    world: int = 0


MISTAKES = {
    "take a throttle for an outage": Mistake(
        outcome_writer,
        "TableUnreachable",
        lambda _: TableUnavailable,
        "a failing payment does not have others charged again",
    ),
    "end at the deadline": Mistake(
        retry_schedule, "CLOSING", lambda _: timedelta(), "an order that was charged is not declined", world=5
    ),
}


def mistake(owner: Any, name: str, promise: str, world: int = 0) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Plant an error: this function in place of one of the service, which it gets as its first argument."""

    def planted(function: Callable[..., Any]) -> Callable[..., Any]:
        def replacement(original: Any) -> Any:
            return lambda *arguments, **options: function(original, *arguments, **options)

        MISTAKES[function.__name__.replace("_", " ")] = Mistake(owner, name, replacement, promise, world)
        return function

    return planted


@mistake(OrderTable, "_update", "a settled order never changes")
def write_unconditionally(original: Any, *arguments: Any) -> Any:
    statement = original(*arguments)
    update, _, condition = statement["Statement"].partition('"order_id"=?')
    if condition.endswith('"attempts"=?'):
        del statement["Parameters"][-1]
    return {**statement, "Statement": f'{update}"order_id"=?'}


@mistake(OrderTable, "_update", "a settled order is not in the index")
def leave_settled_orders_in_the_index(original: Any, *arguments: Any) -> Any:
    statement = original(*arguments)
    return {**statement, "Statement": statement["Statement"].replace(' REMOVE "pending_bucket"', "")}


@mistake(RetrySchedule, "next_step", "no order is charged twice")
def never_ask_the_provider(original: Any, *arguments: Any) -> Step:
    step: Step = original(*arguments)
    return Step.CHARGE if step is Step.ASK_THEN_CHARGE else step


@mistake(RetrySchedule, "next_step", "no charge begins after the deadline")
def charge_after_the_deadline(original: Any, *arguments: Any) -> Step:
    step: Step = original(*arguments)
    return Step.ASK_THEN_CHARGE if step in {Step.ASK_THEN_WAIT, Step.ASK_THEN_END} else step


_decided = WeakKeyDictionary[Any, Step]()


@mistake(RetrySchedule, "next_step", "no charge begins after the deadline", world=5)
def decide_once_in_an_attempt(original: Any, *arguments: Any) -> Step:
    return _decided.setdefault(asyncio.current_task(), original(*arguments))


@mistake(Settlement, "_pay", "an order that nothing troubles waits at most 20 s")
async def fail_the_record_of_a_failed_payment(original: Any, *arguments: Any) -> Order:
    outcome: Order = await original(*arguments)
    if outcome.status is Status.PENDING:
        raise ProviderUnavailable
    return outcome


@mistake(RetrySchedule, "next_attempt_at", "failed attempts become rarer")
def try_again_at_once(_original: Any, _schedule: RetrySchedule, _order: Order, now: datetime) -> datetime:
    return now


@mistake(Order, "_after_attempt", "each order is reported as settled once")
def count_what_another_attempt_recorded(_original: Any, order: Order, **update: object) -> Order:
    return order.model_copy(update={"attempt_id": "1", **update})


@mistake(OrderTable, "create", "settled order never changes|failed attempt is counted once")
def overwrite_an_order_that_is_created_again(_original: Any, table: OrderTable, order: Order) -> Order:
    table._client.put_item(TableName=table.name, Item=to_item(order))  # noqa: SLF001  # what a mistake in it would do
    return order


@mistake(Order, "deferred", "an attempt takes at most 6 runs")
def count_an_attempt_twice(original: Any, order: Order, due_at: datetime) -> Any:
    return original(order, due_at).model_copy(update={"attempts": order.attempts + 2})


@mistake(OrderTable, "due", "no order waits behind one that is due a run later")
def take_the_newest_first(original: Any, *arguments: Any) -> Iterator[Any]:
    return iter(list(original(*arguments))[::-1])


@mistake(UnreliableDynamoDB, "query", "no order waits behind one that is due a run later", world=3)
def read_the_first_page_only(original: Any, *arguments: Any, **request: Any) -> dict[str, Any]:
    return {name: value for name, value in original(*arguments, **request).items() if name != "LastEvaluatedKey"}


@mistake(UnreliableDynamoDB, "batch_get_item", "RecoverOrders takes only what is PENDING and due", world=3)
def read_what_may_be_stale(original: Any, dynamodb: UnreliableDynamoDB, **request: Any) -> Any:
    [of_the_table] = request["RequestItems"].values()
    of_the_table["ConsistentRead"] = False
    return original(dynamodb, **request)


@pytest.mark.parametrize("planted", MISTAKES.values(), ids=MISTAKES)
def test_a_service_that_is_broken_is_found(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, planted: Mistake
) -> None:
    monkeypatch.setattr(planted.owner, planted.name, planted.replacement(getattr(planted.owner, planted.name)))

    assert re.search(planted.promise, _first_broken_promise(settings, planted.world))


def test_every_promise_is_kept_when_many_orders_pass_their_deadline(settings: Settings) -> None:
    soon = replace(settings, variables={**settings.variables, "PAYMENT_DEADLINE_SECONDS": "300"})

    outcome = World(soon, ORDERS, str(FIXED_SEED)).run()

    assert outcome.broken is None, outcome.broken
    assert outcome.counts["declined"] > ORDERS * 0.1


def _first_broken_promise(settings: Settings, first_world: int) -> str:
    orders = 0
    for number in range(first_world, first_world + MOST_ORDERS // ORDERS):
        outcome = World(settings, ORDERS, f"broken/{number}").run()
        orders += outcome.orders
        if outcome.broken:
            print(f"Found after {orders} orders")  # noqa: T201  # as above
            return outcome.broken
    return ""
