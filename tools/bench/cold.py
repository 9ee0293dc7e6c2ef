"""Cold start: a fresh process from the unpacked package, from the import to the first answer."""

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from tools.bench.environment import Environment
from tools.bench.results import Row, Section, Spread
from tools.bench.stand import Stand, item, request

AGAINST_FLOOR, AGAINST_USUAL = 1.5, 0.45


def measure(stand: Stand, rounds: int, advance: Callable[[], None]) -> Section:
    """Three kinds of process in turns."""
    floors, ours, usual = [], [], []
    for _ in range(rounds):
        floors.append(_first_answer(stand.other("floor.lambda_handler"), {"item": item()}))
        ours.append(_first_answer(stand.function("create_order"), request()))
        usual.append(_first_answer(stand.uncompiled_function("create_order"), request()))
        advance()
    return Section(
        "Cold start, import to first answer ÷ boto3's client and one put",
        [
            Row("boto3's client and one put", median(floors), Spread.of_ratios(floors, floors)),
            Row("CreateOrder", median(ours), Spread.of_ratios(ours, floors), AGAINST_FLOOR),
            Row("CreateOrder without valid bytecode", median(usual), Spread.of_ratios(usual, floors)),
            Row("CreateOrder ÷ the same without", median(ours), Spread.of_ratios(ours, usual), AGAINST_USUAL),
        ],
    )


def _first_answer(environment: Environment, event: Mapping[str, Any]) -> float:
    with environment:
        return environment.started.seconds + environment.invoke(event, sampled=True).seconds
