"""The parts of the simulation: virtual time, processes that are killed, and what the command prints."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from simulation.__main__ import show
from simulation.results import Outcome, Results
from simulation.virtual.loop import VirtualExecutor, VirtualLoop
from simulation.virtual.time import Killed, Process, VirtualTime

DAY = 86_400.0


@pytest.fixture
def virtual_time() -> Iterator[VirtualTime]:
    virtual_time = VirtualTime()
    yield virtual_time
    virtual_time.close()


@pytest.mark.parametrize("ends_at", [5.0, float("inf")])
def test_a_process_that_is_killed_or_out_of_time_gets_no_further(virtual_time: VirtualTime, ends_at: float) -> None:
    process = Process(ends_at=ends_at)
    reached: list[float] = []

    def work() -> None:
        for _ in range(10):
            reached.append(virtual_time.now)
            virtual_time.sleep(2)

    def start_process() -> None:
        with pytest.raises(Killed), virtual_time.inside(process):
            work()
        virtual_time.sleep(DAY)  # outside it, time goes on
        reached.append(virtual_time.now)

    virtual_time.start(start_process)
    virtual_time.start(lambda: virtual_time.kill(process), after=7)
    virtual_time.run()

    assert reached == ([0, 2, 4, 5 + DAY] if ends_at == 5 else [0, 2, 4, 6, 7 + DAY])


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
