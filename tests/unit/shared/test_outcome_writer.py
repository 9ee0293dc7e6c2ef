"""The writer that puts the outcomes of many payments into few calls."""

import asyncio
import random
import threading
from collections.abc import Sequence
from contextlib import suppress

import pytest

from shared import outcome_writer
from shared.order import Order
from shared.outcome_writer import OutcomeWriter, OutOfTime
from tests.builders import Table, an_order


def record(table: Table, *outcomes: Order, seconds: float = 60) -> list[Order | BaseException]:
    """Have outcomes recorded that come all at once; return what became of each."""

    async def run() -> list[Order | BaseException]:
        writer = OutcomeWriter(table, seconds)
        with writer.expecting_one():
            recordings = [writer.add(outcome) for outcome in outcomes]
        results = await asyncio.gather(*recordings, return_exceptions=True)
        writer.close()
        return results

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


def test_a_call_that_is_not_full_starts_once_no_further_outcome_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_writer, "LINGER_SECONDS", 3600)
    table, first, second = Table(), an_outcome(), an_outcome()

    async def run() -> None:
        writer = OutcomeWriter(table, seconds=60)
        with writer.expecting_one():
            with writer.expecting_one():
                recordings = [writer.add(first)]
            await asyncio.sleep(0.01)
            assert not recordings[0].done()
            recordings.append(writer.add(second))
        async with asyncio.timeout(5):
            await asyncio.gather(*recordings)
        writer.close()

    asyncio.run(run())

    assert table.calls == [[first, second]]


def test_a_call_that_is_not_full_waits_for_a_moment_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_writer, "LINGER_SECONDS", 0.01)
    table, first, second = Table(), an_outcome(), an_outcome()

    async def run() -> None:
        writer = OutcomeWriter(table, seconds=60)
        with writer.expecting_one():  # a payment that takes longer
            await asyncio.gather(writer.add(first), writer.add(second))
        writer.close()

    asyncio.run(run())

    assert table.calls == [[first, second]]


@pytest.mark.parametrize(("seconds", "recorded"), [(11.5, True), (10.5, False)])
def test_no_call_starts_in_the_reserved_time(seconds: float, recorded: bool) -> None:  # noqa: FBT001
    outcome = an_outcome()

    [result] = record(Table(), outcome, seconds=seconds)

    assert result == outcome if recorded else isinstance(result, OutOfTime)


def test_the_time_counts_from_the_first_outcome_that_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_writer, "RESERVED_SECONDS", 0)

    async def run() -> None:
        writer = OutcomeWriter(Table(), seconds=0.05)
        with writer.expecting_one():
            await asyncio.sleep(0.06)
        with writer.expecting_one():
            recording = writer.add(an_outcome())
        with pytest.raises(OutOfTime):
            await recording
        writer.close()

    asyncio.run(run())
