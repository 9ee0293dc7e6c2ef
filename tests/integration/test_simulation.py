"""The simulation: the service keeps its promises under every fault, and a service that is broken is found out."""

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared import outcome_writer, settlement
from shared.order import Order, Status
from shared.order_table import OrderTable, TableUnavailable, to_item
from shared.payment import ProviderUnavailable
from shared.retry_schedule import RetrySchedule
from shared.settlement import Settlement
from simulation.aws.settings import Settings
from simulation.world import World

pytestmark = pytest.mark.no_cover  # which makes them slower; the unit tests cover all of the service

ORDERS = 400
FIXED_SEED = 7
# A service that is broken is found within so many orders.
MOST_ORDERS = 5_000

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


def test_the_same_seed_gives_the_same_run_and_another_one_another(settings: Settings) -> None:
    runs = [World(settings, 20, seed).run() for seed in ("1", "1", "2")]

    assert runs[0] == runs[1]
    assert runs[0].digest != runs[2].digest


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
    settle = Settlement.settle

    def settled(self: Settlement, order: Order, *, queued_at: float, ask_first: bool = False) -> Any:  # noqa: ANN401, ARG001
        return settle(self, order, queued_at=queued_at)

    patch.setattr(Settlement, "settle", settled)
    patch.setattr(settlement, "SURELY_REMEMBERED", timedelta(days=365))


def fail_the_record_of_a_failed_payment(patch: Patch) -> None:
    attempt = Settlement._attempt  # noqa: SLF001  # as above

    async def failing(self: Settlement, *arguments: Any, **options: Any) -> Order:  # noqa: ANN401
        outcome = await attempt(self, *arguments, **options)
        if outcome.status is Status.PENDING:
            raise ProviderUnavailable
        return outcome

    patch.setattr(Settlement, "_attempt", failing)


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


@pytest.mark.parametrize(
    ("break_it", "promise"),
    [
        (write_unconditionally, "a settled order never changes"),
        (leave_settled_orders_in_the_index, "a settled order is not in the index"),
        (never_ask_the_provider, "no order is charged twice"),
        (fail_the_record_of_a_failed_payment, "an order that nothing troubles waits at most 20 s"),
        (take_a_throttle_for_an_outage, "a failing payment does not have others charged again"),
        (try_again_at_once, "failed attempts become rarer"),
        (count_what_another_attempt_recorded, "each order is reported as settled once"),
        (overwrite_an_order_that_is_created_again, "a settled order never changes|each failed attempt is counted once"),
    ],
)
def test_a_service_that_is_broken_is_found(
    settings: Settings, monkeypatch: Patch, break_it: Callable[[Patch], None], promise: str
) -> None:
    break_it(monkeypatch)

    assert re.search(promise, _first_broken_promise(settings))


def test_every_promise_is_kept_when_many_orders_pass_their_deadline(settings: Settings) -> None:
    outcome = World(_with_deadline(settings, seconds=300), ORDERS, str(FIXED_SEED)).run()

    assert outcome.broken is None, outcome.broken
    assert outcome.counts["declined"] > ORDERS * 0.1


def test_a_charge_after_the_deadline_is_found(settings: Settings, monkeypatch: Patch) -> None:
    monkeypatch.setattr(RetrySchedule, "may_charge", lambda *_: True)

    assert "no charge begins after the deadline" in _first_broken_promise(_with_deadline(settings, seconds=300))


def _with_deadline(settings: Settings, *, seconds: int) -> Settings:
    return replace(settings, variables={**settings.variables, "PAYMENT_DEADLINE_SECONDS": str(seconds)})


def _first_broken_promise(settings: Settings) -> str:
    orders = 0
    for number in range(MOST_ORDERS // ORDERS):
        outcome = World(settings, ORDERS, f"broken/{number}").run()
        orders += outcome.orders
        if outcome.broken:
            print(f"Found after {orders} orders")  # noqa: T201  # as above
            return outcome.broken
    return ""
