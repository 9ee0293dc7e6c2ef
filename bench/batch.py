"""Measures how long ProcessPayment takes for a batch, at full speed and with a third of a core."""

from collections.abc import Callable
from itertools import batched
from typing import Any

from bench.baselines.spread_latencies import latency_seconds
from bench.lambda_.execution_environment import Answer
from bench.report import Figure
from bench.test_bed import TestBed, stream_event
from shared.order import Order
from shared.order_table import STATEMENTS_PER_CALL, OrderTable

TITLE = "A batch ÷ its payments, and the same calls to DynamoDB made bare, two at a time"
TARGET = 1.1  # at full speed; with a third of a core the CPU time of an order counts, too (docs/performance.md)
SMALL, LARGE = 1, 1000
SHARES = {1.0: "", 1 / 3: ", 1/3 of a core"}


def measure(bed: TestBed, rounds: int) -> tuple[list[Figure], dict[int, list[Answer]]]:
    """Measure batches in turns with their floors; the cost is calculated from the answers at full speed, by size."""

    def together(_order: Order) -> float:
        return bed.delay_seconds

    def spread(order: Order) -> float:
        return latency_seconds(order.order_id, bed.delay_seconds)

    figures: list[Figure] = []
    at_full_speed: dict[int, list[Answer]] = {}
    for cpu, suffix in SHARES.items():
        for size, name, latency, variables in (
            (SMALL, "1 order", together, {}),
            (LARGE, "1,000, paid in 0.05-2 s", spread, {"PAYMENT_PROVIDER": "spread_latencies:provider"}),
            (LARGE, "1,000 orders", together, {}),
        ):
            floor, answers = [], []
            with (
                bed.baseline("bare_calls", cpu=cpu) as bare,
                bed.function("process_payment", cpu=cpu, variables=variables) as function,
            ):
                for _ in range(rounds + 1):  # the first round warms up both, and DynamoDB Local
                    floor.append(bare.invoke({"calls": _calls(bed, bed.create(size), latency)}).seconds)
                    answers.append(function.invoke(stream_event(bed.create(size)), sampled=True))
            del floor[0], answers[0]
            figures.append(Figure(f"{name}{suffix}: bare", floor, floor))
            target = TARGET if cpu == 1 else None
            figures.append(Figure(f"{name}{suffix}", [answer.seconds for answer in answers], floor, target))
            if latency is together:
                at_full_speed.setdefault(size, answers)
        if cpu == 1:
            with bed.baseline("bare_calls") as bare:
                calls = [_calls(bed, bed.create(LARGE), together, 1) for _ in range(rounds)]
                single = [bare.invoke({"calls": some}).seconds for some in calls]
            figures.append(Figure("1,000, one to a call: bare", single, floor))
    return figures, at_full_speed


class _Client:
    """Keeps the statements of each call instead of making it."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, Any]]] = []

    def batch_execute_statement(self, *, Statements: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.calls.append(Statements)
        return {"Responses": [{}] * len(Statements)}


def _calls(
    bed: TestBed, orders: list[Order], latency: Callable[[Order], float], statements: int = STATEMENTS_PER_CALL
) -> list[dict[str, Any]]:
    """Return the calls with which OrderTable records the outcomes, each with the time when its payments have ended."""
    client = _Client()
    table = OrderTable(bed.table.name, client)  # type: ignore[arg-type]  # it calls one method of the client
    starts = []
    for some in batched(sorted(orders, key=latency), statements, strict=False):
        table.record([order.processed(f"payment-{order.order_id}") for order in some])
        starts.append(latency(some[-1]))
    return [{"from_seconds": start, "statements": call} for start, call in zip(starts, client.calls, strict=True)]
