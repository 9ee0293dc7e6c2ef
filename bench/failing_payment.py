"""Measures what one failing payment costs the other orders of its batch."""

from collections import Counter
from statistics import median

from bench.report import Figure
from bench.test_bed import TestBed, stream_event
from shared.order import Item, Status
from shared.payment import UNAVAILABLE_TOTAL

TITLE = "A batch of 1,000 of which one payment fails ÷ a batch without it"
TARGET = 1.1
SIZE = 1_000


class OrdersHeldUp(Exception):
    """Other orders than the one with the failing payment are not settled."""


def measure(bed: TestBed, rounds: int) -> list[Figure]:
    """Measure both batches in turns, and check each: all orders but the failing one are PROCESSED.

    Raises
    ------
    OrdersHeldUp
    """
    seconds: dict[bool, list[float]] = {False: [], True: []}
    with bed.function("process_payment") as function:
        function.invoke(stream_event(bed.create(SIZE)))  # warms up
        for is_failing in (False, True, True, False) * (rounds // 2):
            orders = bed.create(SIZE)
            if is_failing:
                items = [Item(sku="KB-75", quantity=1, unit_price=UNAVAILABLE_TOTAL)]
                orders[0] = orders[0].model_copy(update={"items": items})
            seconds[is_failing].append(function.invoke(stream_event(orders)).seconds)
            statuses = Counter(order.status for order in bed.table.read([order.order_id for order in orders]))
            if statuses[Status.PROCESSED] != SIZE - is_failing:
                raise OrdersHeldUp(str(dict(statuses)))
    reference = median(seconds[False])
    return [
        Figure("1,000 orders", seconds[False], reference),
        Figure("one of them fails", seconds[True], reference, TARGET),
    ]
