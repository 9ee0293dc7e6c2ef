"""Measures a cold start: a new process, from the import of the function to its first answer."""

from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.execution_environment import ExecutionEnvironment
from bench.report import Figure
from bench.test_bed import TestBed, new_order, post_event
from shared.order_table import to_item

TITLE = "Cold start of CreateOrder ÷ boto3's client and one put_item"
TARGET, TARGET_OF_BYTECODE = 1.5, 0.45


def measure(bed: TestBed, rounds: int) -> list[Figure]:
    """Measure the baseline and the package with and without bytecode, in turns."""
    baseline, ours, uncompiled = [], [], []
    for _ in range(5 * rounds):
        baseline.append(_first_answer(bed.baseline("put_item"), {"item": to_item(new_order())}))
        ours.append(_first_answer(bed.function("create_order"), post_event()))
        uncompiled.append(_first_answer(bed.function("create_order", bytecode="none"), post_event()))
    reference = median(baseline)
    return [
        Figure("boto3's client and one put_item", baseline, reference),
        Figure("CreateOrder", ours, reference, TARGET),
        Figure("CreateOrder without bytecode", uncompiled, reference),
        Figure("CreateOrder ÷ the same without it", ours, median(uncompiled), TARGET_OF_BYTECODE),
    ]


def _first_answer(environment: ExecutionEnvironment, event: Mapping[str, Any]) -> float:
    with environment:
        return environment.imported.seconds + environment.invoke(event, sampled=True).seconds
