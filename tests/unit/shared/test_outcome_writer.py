"""The writer that puts the outcomes of many payments into few calls."""

import asyncio
import random
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shared.order import Order
from shared.outcome_writer import OutcomeWriter, OutOfTime
from tests.builders import Table, an_order


def record(table: Table, *outcomes: Order, seconds_left: float = 60) -> list[Order | BaseException]:
    """Have outcomes recorded that come all at once; return what became of each."""

    async def run() -> list[Order | BaseException]:
        writer = OutcomeWriter(table, lambda: seconds_left)
        try:
            return await asyncio.gather(*map(writer.record, outcomes), return_exceptions=True)
        finally:
            writer.close()

    return asyncio.run(run())


def an_outcome() -> Order:
    return an_order().processed("payment-1")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Between which times the writer chose its waits, none of which takes place."""
    waits: list[tuple[float, float]] = []

    def uniform(shortest: float, longest: float) -> float:
        waits.append((shortest, longest))
        return 0

    monkeypatch.setattr(random, "uniform", uniform)
    return waits


def test_the_waits_between_the_tries_double(waits: list[tuple[float, float]]) -> None:
    table, outcome = Table(), an_outcome()
    table.throttled[outcome.order_id] = 4

    assert record(table, outcome) == [outcome]
    assert waits == [(0, 0.1), (0, 0.2), (0, 0.4), (0, 0.8)]


def test_only_what_was_throttled_is_tried_again(waits: list[tuple[float, float]]) -> None:
    table, outcomes = Table(), [an_outcome() for _ in range(3)]
    table.throttled[outcomes[1].order_id] = 1

    assert record(table, *outcomes) == outcomes
    assert table.calls == [outcomes, [outcomes[1]]]
    assert len(waits) == 1


def test_two_calls_are_under_way_at_a_time() -> None:
    class SlowTable(Table):
        under_way = most = 0
        third = threading.Barrier(3)

        def record(self, outcomes: Sequence[Order]) -> list[Order | Exception]:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            with suppress(threading.BrokenBarrierError):
                self.third.wait(timeout=0.2)  # for a third call, which does not come
            self.under_way -= 1
            return super().record(outcomes)

    table = SlowTable()

    record(table, *(an_outcome() for _ in range(75)))

    assert [len(call) for call in table.calls] == [25] * 3
    assert table.most == 2


def test_one_outcome_is_recorded_at_once_and_what_comes_meanwhile_goes_together() -> None:
    class WaitingTable(Table):
        goes_on = threading.Event()

        def record(self, outcomes: Sequence[Order]) -> list[Order | Exception]:
            self.goes_on.wait(5)
            return super().record(outcomes)

    table, outcomes = WaitingTable(), [an_outcome() for _ in range(12)]

    async def run() -> None:
        writer = OutcomeWriter(table, lambda: 60)
        recordings = []
        for outcome in outcomes:
            recordings.append(asyncio.create_task(writer.record(outcome)))
            await asyncio.sleep(0.001)
        table.goes_on.set()
        await asyncio.gather(*recordings)
        writer.close()

    asyncio.run(run())

    assert sorted(len(call) for call in table.calls) == [1, 1, 10]


def test_a_thousand_outcomes_that_come_together_take_forty_calls() -> None:
    table = Table()

    record(table, *(an_outcome() for _ in range(1000)))

    assert [len(call) for call in table.calls] == [25] * 40


@pytest.mark.parametrize(("seconds_left", "recorded"), [(11.5, True), (10.5, False)])
def test_no_call_starts_in_the_reserved_time(seconds_left: float, recorded: bool) -> None:  # noqa: FBT001
    outcome = an_outcome()

    [result] = record(Table(), outcome, seconds_left=seconds_left)

    assert result == outcome if recorded else isinstance(result, OutOfTime)


def test_an_outcome_that_nobody_waits_for_any_more_keeps_no_other_from_being_recorded() -> None:
    table, outcomes = Table(), [an_outcome() for _ in range(2)]

    async def run() -> Order:
        writer = OutcomeWriter(table, lambda: 60)
        cancelled, other = (asyncio.create_task(writer.record(outcome)) for outcome in outcomes)
        await asyncio.sleep(0)
        cancelled.cancel()
        try:
            return await other
        finally:
            writer.close()

    assert asyncio.run(run()) == outcomes[1]
