"""Parts of the world that fail as told: the payment provider, and the orders table."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from shared.order import Order
from shared.order_table import OrderTable, TableUnavailable
from shared.payment import Declined, GatewayUnavailable, Receipt


class Provider:
    """A payment provider that outlives the service's crashes, and answers each order as told, then as it should."""

    def __init__(self) -> None:
        self.charged: set[UUID] = set()
        self.declines: set[UUID] = set()
        self.faults: dict[UUID, list[str]] = {}

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002
        faults = self.faults.get(order_id)
        fault = faults.pop() if faults else None
        await asyncio.sleep(3600 if fault == "hangs" else 0)
        if fault == "unavailable":
            raise GatewayUnavailable(fault)
        if order_id in self.declines:
            raise Declined("insufficient funds")
        self.charged.add(order_id)
        if fault == "charges, then hangs":
            await asyncio.sleep(3600)
        return self._receipt(order_id)

    async def find(self, order_id: UUID) -> Receipt | None:
        return self._receipt(order_id) if order_id in self.charged else None

    def _receipt(self, order_id: UUID) -> Receipt:
        return Receipt(payment_id=f"payment-{order_id}")


class UnreliableTable(OrderTable):
    """The orders table, whose calls fail as told."""

    fault: str | None = None

    def record(self, outcomes: Sequence[Order]) -> list[Order | Exception]:
        if self.fault == "crash before the write":
            raise ConnectionError(self.fault)
        results = super().record(outcomes)
        if self.fault == "crash after the write":
            raise ConnectionError(self.fault)
        return [TableUnavailable("ThrottlingError"), *results[1:]] if self.fault == "throttled" else results
