"""Measures RecoverOrders at its real share of a CPU: with a backlog of orders that are due, and with none."""

from dataclasses import dataclass
from statistics import median

from bench.cost import MEGABYTES_OF_A_CPU
from bench.lambda_.execution_environment import Answer
from bench.memory_table import memory_table
from bench.report import Figure
from bench.test_bed import TestBed

TITLE = "RecoverOrders ÷ the payments alone, 1,000 at a time"
ORDERS_A_SECOND = 400  # the target
IN_FLIGHT = 1_000
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
    idle = _runs(bed, 0, 5 * rounds + 1)[1:]
    [few] = _runs(bed, FEW)
    [backlog] = _runs(bed, due)
    recovery = Recovery(idle, few, backlog, due, bed.memory("recoverOrders"))
    waiting = backlog.content["recovered"] / IN_FLIGHT * bed.delay_seconds
    target = IN_FLIGHT / bed.delay_seconds / ORDERS_A_SECOND
    return [
        Figure("no order due: 16 reads", [answer.seconds for answer in idle], [bed.delay_seconds] * len(idle)),
        Figure(f"{FEW:,} orders due", [few.seconds], [bed.delay_seconds]),
        Figure(f"{backlog.content['recovered']:,} orders of {due:,} due", [backlog.seconds], [waiting], target),
    ], recovery


def _runs(bed: TestBed, due: int, runs: int = 1) -> list[Answer]:
    """Run it in a new execution environment, over a table in which so many orders are due."""
    cpu = min(bed.memory("recoverOrders") / MEGABYTES_OF_A_CPU, 1)
    with (
        memory_table(bed.table.name, due) as url,
        bed.function("recover_orders", cpu=cpu, variables={"AWS_ENDPOINT_URL": url}) as function,
    ):
        return [function.invoke({}, timeout_seconds=bed.timeout("recoverOrders")) for _ in range(runs)]
