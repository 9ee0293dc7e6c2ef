"""Warm CreateOrder: an environment that has answered before."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from tools.bench.environment import Answer
from tools.bench.results import Row, Section, Spread, percentile
from tools.bench.stand import SAMPLED, Stand, item, request

TARGET = 1.4
WARM_UP = 30
IN_A_BLOCK = 50


@dataclass(frozen=True)
class Warm:
    """The section, and what the cost is calculated from."""

    section: Section
    answers: list[Answer]


def measure(stand: Stand, blocks: int, advance: Callable[[], None]) -> Warm:
    """Two environments in turns; the medians of each block are compared with each other."""
    with stand.other("floor.lambda_handler") as floor, stand.function("create_order") as ours:
        for _ in range(WARM_UP):
            floor.invoke({"item": item()})
            ours.invoke(request())
        puts, answers = [], []
        for number in range(blocks * IN_A_BLOCK):
            puts.append(floor.invoke({"item": item()}).seconds)
            answers.append(ours.invoke(request(), sampled=number % SAMPLED == 0))
            if number % IN_A_BLOCK == 0:
                advance()
    creates = [answer.seconds for answer in answers]
    starts = range(0, len(puts), IN_A_BLOCK)
    medians = [[median(values[start : start + IN_A_BLOCK]) for start in starts] for values in (creates, puts)]
    section = Section(
        "Warm CreateOrder ÷ one bare put_item",
        [
            Row("put_item, half of them", median(puts), Spread.of_ratios(medians[1], medians[1])),
            Row("CreateOrder, half of them (p50)", median(creates), Spread.of_ratios(*medians), TARGET),
            Row("put_item, 99 of 100", percentile(puts, 99), Spread.of([percentile(puts, 99) / median(puts)])),
            Row(
                "CreateOrder, 99 of 100 (p99)",
                percentile(creates, 99),
                Spread.of([percentile(creates, 99) / median(puts)]),
            ),
        ],
    )
    return Warm(section, answers)
