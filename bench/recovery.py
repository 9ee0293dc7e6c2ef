"""Measures RecoverOrders at its real share of a CPU: with a backlog of orders that are due, and with none."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any
from uuid import uuid4

from bench.cost import MEGABYTES_OF_A_CPU
from bench.lambda_.execution_environment import Answer
from bench.report import Figure
from bench.test_bed import SAMPLED, TestBed, new_order
from shared import clock
from shared.order_table import to_item

TITLE = "RecoverOrders ÷ the payments alone, 1,000 at a time"
ORDERS_A_SECOND = 400  # the target
IN_FLIGHT = 1_000
TABLE = "due-orders-only"
MEMORY_RATIO = 1.1  # the target
RUNS_OF_A_MONTH = 30 * 24 * 60
FEW, BACKLOG, QUICK_BACKLOG = 1_000, 200_000, 20_000


@dataclass(frozen=True)
class Recovery:
    """What was measured of RecoverOrders: its runs without due orders, with a few, and with a backlog."""

    idle: list[Answer]
    few: Answer
    backlog: Answer
    due: int
    memory: int

    def __str__(self) -> str:
        recovered, seconds = self.backlog.content["recovered"], self.backlog.seconds
        idle = median(answer.seconds for answer in self.idle)
        few, many = self.few.peak_megabytes, self.backlog.peak_megabytes
        target = f"≤ {MEMORY_RATIO:.2f} {'✓' if many / few <= MEMORY_RATIO else '✗'}"
        gigabyte_seconds = RUNS_OF_A_MONTH * idle * self.memory / 1024
        rate = recovered / seconds
        return (
            f"RecoverOrders at {self.memory} MB settles {recovered:,} orders in a run, {rate:.0f} a second.\n"
            f"With {FEW:,} orders due it needs {few:.0f} MB, with {self.due:,} {many:.0f} MB:"
            f" {many / few:.2f} times as much (target {target}).\n"
            f"{RUNS_OF_A_MONTH:,} idle runs a month, of {idle:.2f} s each, take {gigabyte_seconds:,.0f} GB-s"
            " of the 400,000 that are free."
        )


def measure(bed: TestBed, rounds: int, due: int = BACKLOG) -> tuple[list[Figure], Recovery]:
    """Measure idle runs, one with few orders due, and one with a backlog that it cannot settle within its time."""
    timeout_seconds = bed.timeout("recoverOrders")
    cpu = min(bed.memory("recoverOrders") / MEGABYTES_OF_A_CPU, 1)
    bed.create_table(TABLE)
    variables = {"ORDERS_TABLE": TABLE}
    with bed.function("recover_orders", cpu=cpu, variables=variables) as function:
        idle = [function.invoke({}) for _ in range(5 * rounds + 1)][1:]
        bed.put(_due_items(FEW), TABLE)
        few = function.invoke({}, timeout_seconds=timeout_seconds)
    bed.put(_due_items(due), TABLE)
    with bed.function("recover_orders", cpu=cpu, variables=variables) as function:
        backlog = function.invoke({}, timeout_seconds=timeout_seconds)
    recovery = Recovery(idle, few, backlog, due, bed.memory("recoverOrders"))
    waiting = backlog.content["recovered"] / IN_FLIGHT * bed.delay_seconds
    target = IN_FLIGHT / bed.delay_seconds / ORDERS_A_SECOND
    return [
        Figure("no order due: 16 reads", [answer.seconds for answer in idle], bed.delay_seconds),
        Figure(f"{FEW:,} orders due", [few.seconds], bed.delay_seconds),
        Figure(f"{backlog.content['recovered']:,} orders of {due:,} due", [backlog.seconds], waiting, target),
    ], recovery


def _due_items(number: int) -> Iterator[dict[str, Any]]:
    """Make orders whose payment is due, of which every twentieth is sampled: copies of two, with an id of their own."""
    is_due = {"due_at": clock.now()}
    templates = [to_item(new_order(sampled=sampled).model_copy(update=is_due)) for sampled in (True, False)]
    for each in range(number):
        order_id = str(uuid4())
        yield templates[each % SAMPLED > 0] | {"order_id": {"S": order_id}, "pending_bucket": {"S": order_id[0]}}
