"""Measures how long a request takes once the function has started."""

from statistics import median

from bench.lambda_.execution_environment import Answer
from bench.report import Figure
from bench.test_bed import SAMPLED, TestBed, new_order, post_event
from shared.order_table import to_item

TITLE = "Warm request to CreateOrder ÷ one put_item"
TARGET = 1.4
WARM_UP = 30


def measure(bed: TestBed, rounds: int) -> tuple[list[Figure], list[Answer]]:
    """Measure both in turns; the cost is calculated from CreateOrder's answers."""
    puts, answers = [], []
    with bed.baseline("put_item") as baseline, bed.function("create_order") as create_order:
        for number in range(WARM_UP + 125 * rounds):
            puts.append(baseline.invoke({"item": to_item(new_order())}).seconds)
            answers.append(create_order.invoke(post_event(), sampled=number % SAMPLED == 0))
    puts, answers = puts[WARM_UP:], answers[WARM_UP:]
    creates = [answer.seconds for answer in answers]
    reference = median(puts)
    return [
        Figure("put_item", puts, reference),
        Figure("CreateOrder", creates, reference, TARGET),
    ], answers
