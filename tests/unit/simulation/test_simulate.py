"""The parts of the simulation: virtual time, processes that are killed, and what the command prints."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from simulation.__main__ import show
from simulation.aws.update_statement import UpdateStatement
from simulation.results import Outcome, Results
from simulation.virtual.loop import VirtualExecutor, VirtualLoop
from simulation.virtual.time import Killed, Process, VirtualTime

DAY = 86_400.0


@pytest.fixture
def virtual_time() -> Iterator[VirtualTime]:
    virtual_time = VirtualTime()
    yield virtual_time
    virtual_time.close()


def test_threads_run_in_the_order_of_virtual_time(virtual_time: VirtualTime) -> None:
    seen: list[tuple[str, float]] = []

    def work(name: str, seconds: float) -> None:
        for _ in range(2):
            virtual_time.sleep(seconds)
            seen.append((name, virtual_time.now))

    virtual_time.start(lambda: work("a", 2 * DAY))
    virtual_time.start(lambda: work("b", 3 * DAY))
    virtual_time.start(lambda: work("c", DAY), after=DAY / 2)
    virtual_time.run()

    assert seen == [("c", 1.5 * DAY), ("a", 2 * DAY), ("c", 2.5 * DAY), ("b", 3 * DAY), ("a", 4 * DAY), ("b", 6 * DAY)]


@pytest.mark.parametrize("ends_at", [5.0, float("inf")])
def test_a_process_that_is_killed_or_out_of_time_gets_no_further(virtual_time: VirtualTime, ends_at: float) -> None:
    process = Process(ends_at=ends_at)
    reached: list[float] = []

    def work() -> None:
        for _ in range(10):
            reached.append(virtual_time.now)
            virtual_time.sleep(2)

    virtual_time.start(work, process)
    virtual_time.start(lambda: virtual_time.kill(process), after=7)
    virtual_time.run()

    assert reached == ([0, 2, 4] if ends_at == 5 else [0, 2, 4, 6])


def test_a_thread_goes_on_outside_the_process_that_was_killed(virtual_time: VirtualTime) -> None:
    process, seen = Process(ends_at=5), list[float]()

    def work() -> None:
        with pytest.raises(Killed), virtual_time.inside(process):
            virtual_time.sleep(10)
        virtual_time.sleep(1)
        seen.append(virtual_time.now)

    virtual_time.start(work)
    virtual_time.run()

    assert seen == [6]


def test_the_error_of_a_thread_ends_the_run(virtual_time: VirtualTime) -> None:
    def fail() -> None:
        virtual_time.sleep(1)
        raise ValueError("broken")

    virtual_time.start(fail)
    virtual_time.start(lambda: virtual_time.sleep(DAY))

    with pytest.raises(ValueError, match="broken"):
        virtual_time.run()
    assert virtual_time.now == 1


def test_a_thread_that_another_starts_as_it_is_ended_does_nothing(virtual_time: VirtualTime) -> None:
    ends: list[str] = []

    def work() -> None:
        try:
            virtual_time.wait()
        finally:
            ends.append("first")
            virtual_time.start(lambda: ends.append("second"))

    virtual_time.start(work)
    virtual_time.run()
    virtual_time.close()

    assert ends == ["first"]


def test_asyncio_and_its_executor_run_in_virtual_time(virtual_time: VirtualTime) -> None:
    executor, results = VirtualExecutor(virtual_time, max_workers=2), list[tuple[str, float]]()

    async def blocking(name: str) -> None:
        await asyncio.get_running_loop().run_in_executor(executor, virtual_time.sleep, 3)
        results.append((name, virtual_time.now))

    async def main() -> None:
        await asyncio.gather(blocking("a"), blocking("b"), blocking("c"), asyncio.sleep(4))
        results.append(("main", virtual_time.now))
        executor.shutdown()

    def work() -> None:
        loop = VirtualLoop(virtual_time)
        loop.run_until_complete(main())
        loop.close()

    virtual_time.start(work)
    virtual_time.run()

    assert results == [("a", 3), ("b", 3), ("c", 6), ("main", 6)]


@pytest.mark.parametrize("statement", ['DELETE FROM "orders"', 'UPDATE "orders" ADD "a"=? WHERE "order_id"=?'])
def test_a_statement_that_the_service_does_not_send_is_an_error(statement: str) -> None:
    with pytest.raises(NotImplementedError):
        UpdateStatement.parse(statement)


@pytest.mark.parametrize(("broken", "status"), [(None, 0), ("Broken: no order is lost.\nOrder o-1:\n  charge 1", 1)])
def test_the_counts_the_seed_and_a_broken_promise_are_printed(
    capsys: pytest.CaptureFixture[str], broken: str | None, status: int
) -> None:
    counts, failures = Counter({"accepted": 1_000, "lost": 0}), Counter({"call throttled": 3})
    attempts = Counter({"Order settled: PROCESSED": 990})
    outcome = Outcome(1_000, counts, attempts, failures, 3 * DAY, 12.4, "digest", broken)

    assert show(Results([outcome, outcome]), argparse.Namespace(orders=2_000, seed=7)) == status
    printed = capsys.readouterr().out
    for text in ("2,000", "3 days, 0:00:00", "0:00:12", "call throttled", "--orders 2000 --seed 7", broken or ""):
        assert text in printed
