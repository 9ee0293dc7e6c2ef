"""Measures what one failing payment costs the other orders of its batch."""

from collections import Counter

from bench.report import Figure
from bench.test_bed import TestBed, stream_event
from shared.order import Item, Order, Status
from shared.order_table import DueOrder
from shared.payment import UNAVAILABLE_TOTAL
from tools.command import CommandFailed

TITLE = "A batch with a failing payment ÷ the same batch without it"
TARGET = 1.1
SIZE = 40


class OrdersHeldUp(CommandFailed):
    """Other orders than the one with the failing payment are not settled."""


def measure(bed: TestBed, rounds: int) -> list[Figure]:
    """Measure both batches in turns, and check each: all orders but the failing one are PROCESSED.

    Raises
    ------
    OrdersHeldUp
    """
    seconds: dict[bool, list[float]] = {False: [], True: []}
    items = [Item(sku="KB-75", quantity=1, unit_price=UNAVAILABLE_TOTAL)]
    with bed.function("process_payment") as function:
        function.invoke(stream_event(bed.create(SIZE)))  # warms up
        for is_failing in (False, True, True, False) * rounds:
            orders = bed.create(SIZE + is_failing)
            if is_failing:
                orders[0] = orders[0].model_copy(update={"items": items})
            seconds[is_failing].append(function.invoke(stream_event(orders)).seconds)
            entries = [DueOrder("", str(order.order_id)) for order in orders]
            statuses = Counter(order.status for _, order in bed.table.read(entries) if isinstance(order, Order))
            if statuses[Status.PROCESSED] != SIZE:
                raise OrdersHeldUp(str(dict(statuses)))
    return [
        Figure(f"{SIZE} orders", seconds[False], seconds[False]),
        Figure(f"{SIZE} orders and one that fails", seconds[True], seconds[False], TARGET),
    ]
