"""What a settlement gives back to its function."""

import asyncio

import pytest

from shared.order import Order, Status
from shared.order_table import OutcomeRefused
from shared.settlement import Settlement
from tests.builders import FakeProvider, Table, XRay, an_order


def settle(table: Table, order: Order) -> Order:
    async def run() -> Order:
        settlement = Settlement(table, FakeProvider(), XRay(), deadline_seconds=60, seconds_left=lambda: 60)  # type: ignore[arg-type]
        try:
            return await settlement.attempt(order, queued_at=order.created_at.timestamp())
        finally:
            settlement.close()

    return asyncio.run(run())


def test_an_order_is_returned_as_it_is_stored() -> None:
    table, order = Table(), an_order()

    assert settle(table, order) == table.stored[order.order_id]
    assert table.stored[order.order_id].status is Status.PROCESSED


def test_the_error_of_an_outcome_that_is_not_recorded_is_raised() -> None:
    with pytest.raises(OutcomeRefused, match="AccessDenied"):
        settle(Table(outages=[OutcomeRefused("AccessDenied")]), an_order())
