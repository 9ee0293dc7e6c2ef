"""What a settlement gives back to its function."""

import asyncio

from shared.order import Order, Status
from shared.order_table import OrderTable
from shared.settlement import Settlement
from tests.builders import FakeProvider, XRay, an_order


def test_an_order_is_returned_as_it_is_stored(table: OrderTable) -> None:
    order = table.create(an_order())

    async def run() -> Order:
        settlement = Settlement(table, FakeProvider(), XRay(), deadline_seconds=60, seconds_left=lambda: 60)  # type: ignore[arg-type]
        settled = await settlement.attempt(order, queued_at=order.created_at.timestamp())
        settlement.close()
        return settled

    settled = asyncio.run(run())

    assert settled == table.get(order.order_id)
    assert settled.status is Status.PROCESSED
