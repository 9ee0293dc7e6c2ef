"""Measures how long a request takes once the function has started."""

from bench.lambda_.execution_environment import Answer
from bench.report import Figure
from bench.test_bed import SAMPLED, TestBed, new_order, post_event
from shared.order_table import to_item

TITLE = "Warm request to CreateOrder ÷ the least function with the same packages"
TARGET = 1.3  # it validates the items, reads numbers exactly, and stores all of the order on a condition
WARM_UP = 30


def measure(bed: TestBed, rounds: int) -> tuple[list[Figure], list[Answer]]:
    """Measure all in turns; the cost is calculated from CreateOrder's answers."""
    puts, least, answers = [], [], []
    with (
        bed.baseline("put_item") as put_item,
        bed.baseline("same_packages") as same_packages,
        bed.function("create_order") as create_order,
    ):
        for number in range(WARM_UP + 125 * rounds):
            sampled = number % SAMPLED == 0
            puts.append(put_item.invoke({"item": to_item(new_order())}).seconds)
            least.append(same_packages.invoke(post_event(), sampled=sampled).seconds)
            answers.append(create_order.invoke(post_event(), sampled=sampled))
    puts, least, answers = puts[WARM_UP:], least[WARM_UP:], answers[WARM_UP:]
    return [
        Figure("boto3 alone: one put_item", puts, least),
        Figure("the least function with the same packages", least, least),
        Figure("CreateOrder", [answer.seconds for answer in answers], least, TARGET),
    ], answers
