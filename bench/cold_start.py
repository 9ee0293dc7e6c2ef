"""Measures a cold start: a new process, from the import of the function to its first answer."""

from collections.abc import Mapping
from typing import Any

from bench.lambda_.execution_environment import ExecutionEnvironment
from bench.report import Figure
from bench.test_bed import TestBed, new_order, post_event
from shared.order_table import to_item

TITLE = "Cold start of CreateOrder ÷ the least function with the same packages"
TARGET, TARGET_OF_BYTECODE = 1.1, 0.45


def measure(bed: TestBed, rounds: int) -> list[Figure]:
    """Measure the baselines and the package with and without bytecode, in turns."""
    put, least, ours, uncompiled = [], [], [], []
    for _ in range(5 * rounds):
        put.append(_first_answer(bed.baseline("put_item"), {"item": to_item(new_order())}))
        least.append(_first_answer(bed.baseline("same_packages"), post_event()))
        ours.append(_first_answer(bed.function("create_order"), post_event()))
        uncompiled.append(_first_answer(bed.function("create_order", bytecode="none"), post_event()))
    return [
        Figure("boto3 alone: its client, one put_item", put, least),
        Figure("the least function with the same packages", least, least),
        Figure("CreateOrder", ours, least, TARGET),
        Figure("CreateOrder ÷ the same without bytecode", ours, uncompiled, TARGET_OF_BYTECODE),
    ]


def _first_answer(environment: ExecutionEnvironment, event: Mapping[str, Any]) -> float:
    with environment:
        return environment.imported.seconds + environment.invoke(event, sampled=True).seconds
