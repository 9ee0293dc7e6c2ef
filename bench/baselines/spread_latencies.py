"""A payment provider whose answers take between 50 ms and PAYMENT_DELAY_SECONDS, evenly spread over the orders."""

import asyncio
from decimal import Decimal
from uuid import UUID

from shared.payment import Receipt, SimulatedProvider
from shared.settings import PaymentSettings

SHORTEST_SECONDS = 0.05


def latency_seconds(order_id: UUID, longest_seconds: float) -> float:
    """Return how long the payment of an order takes."""
    return SHORTEST_SECONDS + order_id.int % 1000 / 999 * (longest_seconds - SHORTEST_SECONDS)


class SpreadLatencies(SimulatedProvider):
    """The simulated provider, with a latency that depends on the order."""

    def __init__(self, longest_seconds: float) -> None:
        super().__init__(delay_seconds=0)
        self._longest_seconds = longest_seconds

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:
        await asyncio.sleep(latency_seconds(order_id, self._longest_seconds))
        return await super().charge(order_id=order_id, amount=amount, currency=currency)


def provider(settings: PaymentSettings) -> SpreadLatencies:
    """Make the provider; the setting PAYMENT_PROVIDER names this function."""
    return SpreadLatencies(settings.payment_delay_seconds)
