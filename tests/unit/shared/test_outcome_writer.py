"""The writer that puts the outcomes of many payments into few calls."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import pytest

from shared.order import Order
from shared.order_table import OrderTable
from shared.outcome_writer import OutcomeWriter, OutOfTime
from simulation.aws.memory_dynamodb import Answer
from tests.builders import FailingDynamoDB, an_order

THROTTLED = "ThrottlingError"


@pytest.fixture
def outcomes(table: OrderTable) -> list[Order]:
    """The outcomes of stored orders."""
    return [table.create(an_order()).processed("payment-1") for _ in range(75)]


def record(table: OrderTable, outcomes: Sequence[Order], seconds_left: float = 60) -> list[Order | BaseException]:
    """Record outcomes that come all at once; return what became of each."""

    async def run() -> list[Order | BaseException]:
        writer = OutcomeWriter(table, lambda: seconds_left)
        try:
            return await asyncio.gather(*map(writer.record, outcomes), return_exceptions=True)
        finally:
            writer.close()

    return asyncio.run(run())


def test_the_waits_between_the_tries_double(
    table: OrderTable, dynamodb: FailingDynamoDB, outcomes: list[Order], waits: list[tuple[float, float]]
) -> None:
    dynamodb.errors[outcomes[0].order_id] = [THROTTLED] * 4

    assert record(table, outcomes[:1]) == outcomes[:1]
    assert waits == [(0, 0.1), (0, 0.2), (0, 0.4), (0, 0.8)]


def test_only_what_was_throttled_is_tried_again(
    table: OrderTable, dynamodb: FailingDynamoDB, outcomes: list[Order]
) -> None:
    dynamodb.errors[outcomes[1].order_id] = [THROTTLED]

    assert record(table, outcomes[:3]) == outcomes[:3]
    assert dynamodb.calls == [[outcome.order_id for outcome in outcomes[:3]], [outcomes[1].order_id]]


def test_two_calls_are_under_way_at_a_time_and_what_comes_meanwhile_goes_together(
    table: OrderTable, dynamodb: FailingDynamoDB, outcomes: list[Order]
) -> None:
    goes_on, execute = threading.Event(), dynamodb.batch_execute_statement

    def execute_later(**statements: Any) -> Answer:  # noqa: ANN401  # as boto3's client has it
        goes_on.wait(5)
        return execute(**statements)

    async def run() -> None:
        writer = OutcomeWriter(table, lambda: 60)
        recordings = []
        for outcome in outcomes[:12]:
            recordings.append(asyncio.create_task(writer.record(outcome)))
            await asyncio.sleep(0.001)
        goes_on.set()
        await asyncio.gather(*recordings)
        writer.close()

    with patch.object(dynamodb, "batch_execute_statement", execute_later):
        asyncio.run(run())

    assert sorted(len(call) for call in dynamodb.calls) == [1, 1, 10]


@pytest.mark.parametrize(("seconds_left", "recorded"), [(11.5, True), (10.5, False)])
def test_no_call_starts_in_the_reserved_time(
    table: OrderTable, outcomes: list[Order], seconds_left: float, *, recorded: bool
) -> None:
    [result] = record(table, outcomes[:1], seconds_left)

    assert result == outcomes[0] if recorded else isinstance(result, OutOfTime)


def test_an_outcome_that_nobody_waits_for_any_more_keeps_no_other_from_being_recorded(
    table: OrderTable, outcomes: list[Order]
) -> None:
    async def run() -> Order:
        writer = OutcomeWriter(table, lambda: 60)
        cancelled, other = (asyncio.create_task(writer.record(outcome)) for outcome in outcomes[:2])
        await asyncio.sleep(0)
        cancelled.cancel()
        try:
            return await other
        finally:
            writer.close()

    assert asyncio.run(run()) == outcomes[1]
