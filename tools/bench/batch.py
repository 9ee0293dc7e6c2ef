"""ProcessPayment with batches, beside the usual implementations, at full speed and with a third of a core."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import ceil
from statistics import median

from tools.bench.environment import Answer, Environment
from tools.bench.results import Row, Section, Spread
from tools.bench.stand import Stand

SIZES = (1, 100, 1000)
SHARES = {1.0: "at full speed", 1 / 3: "with a third of a core"}
TARGETS = {1.0: {100: 1.05, 1000: 1.35}, 1 / 3: {100: 1.1, 1000: 1.6}}
# The loop pays for the orders one after the other: what some of them take says what all do.
LOOP_SIZE = 3
THREADS = 32


@dataclass
class Batches:
    """The sections, and what the cost is calculated from: what batches of each size took."""

    sections: list[Section] = field(default_factory=list)
    answers: dict[int, list[Answer]] = field(default_factory=dict)


def steps(rounds: int) -> int:
    """How often `measure` advances."""
    return len(SHARES) * (rounds * (len(SIZES) + 3) + 2)


def measure(stand: Stand, rounds: int, advance: Callable[[], None]) -> Batches:
    """All implementations in turns, each in its own environment."""
    batches = Batches()
    for share, speed in SHARES.items():
        with ExitStack() as environments:
            ours = environments.enter_context(stand.function("process_payment", share=share))
            peers: dict[str, Environment] = {
                name: environments.enter_context(stand.other(f"payments.{name}", share=share))
                for name in ("concurrent", "thread_pool", "sequential")
            }
            took: dict[tuple[str, int], list[float]] = {}

            def run(name: str, environment: Environment, size: int) -> Answer:
                answer = environment.invoke(stand.batch(size), sampled=True)
                took.setdefault((name, size), []).append(answer.seconds)  # noqa: B023 - used within its turn
                advance()
                return answer

            run("warm-up", ours, SIZES[-1])  # of DynamoDB Local, above all
            for _ in range(rounds):
                for size in SIZES:
                    answer = run("ours", ours, size)
                    if share == 1:
                        batches.answers.setdefault(size, []).append(answer)
                for name, size in (("concurrent", 100), ("concurrent", 1000), ("thread_pool", 100)):
                    run(name, peers[name], size)
            run("sequential", peers["sequential"], LOOP_SIZE)
        batches.sections.append(
            _section(f"A batch ÷ the payment's {stand.delay_seconds:g} s, {speed}", took, share, stand)
        )
    return batches


def _section(title: str, took: Mapping[tuple[str, int], list[float]], share: float, stand: Stand) -> Section:
    def row(what: str, values: list[float], target: float | None = None, times: float = 1) -> Row:
        ratios = Spread.of([value * times / stand.delay_seconds for value in values])
        return Row(what, median(values) * times, ratios, target)

    return Section(
        title,
        [
            *(row(f"{size:,} order(s)", took["ours", size], TARGETS[share].get(size)) for size in SIZES),
            row("100: coroutines, an update each", took["concurrent", 100]),
            row("1,000: coroutines, an update each", took["concurrent", 1000]),
            row("100: 32 threads", took["thread_pool", 100]),
            row(
                "1,000: 32 threads (from 100)",
                took["thread_pool", 100],
                times=ceil(1000 / THREADS) / ceil(100 / THREADS),
            ),
            row(f"100: a loop (from {LOOP_SIZE})", took["sequential", LOOP_SIZE], times=100 / LOOP_SIZE),
        ],
    )
