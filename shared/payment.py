"""The payment provider: what the service asks of one, and a simulated one."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid5

# The totals that let both unhappy paths be tried by hand.
DECLINED_TOTAL = Decimal("402.00")
UNAVAILABLE_TOTAL = Decimal("503.00")
LEDGER_SIZE = 10_000

_PAYMENTS = UUID("6f1d2f0e-3f0b-4c55-9c0d-5a8f7f5b8f10")


@dataclass(frozen=True)
class Receipt:
    """The provider's word that the customer was charged."""

    payment_id: str


class Declined(Exception):
    """The provider refuses the payment for good; the message is its reason."""


class GatewayUnavailable(Exception):
    """The provider cannot be reached or does not answer; the payment may be tried again."""


class PaymentGateway(Protocol):
    """A payment provider."""

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:
        """Charge an order. The order_id is the idempotency key: the same one again is answered, not charged again.

        Raises
        ------
        Declined
        GatewayUnavailable
        """
        ...


class SimulatedGateway:
    """A provider that takes its time, declines DECLINED_TOTAL and is away for UNAVAILABLE_TOTAL.

    Its `ledger` has the last LEDGER_SIZE charges: no order is in it twice.
    """

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self.ledger: dict[UUID, Receipt] = {}

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # 1 is 1 here
        await asyncio.sleep(self._delay_seconds)
        if amount == DECLINED_TOTAL:
            raise Declined("insufficient funds")
        if amount == UNAVAILABLE_TOTAL:
            raise GatewayUnavailable("the payment gateway does not answer")
        receipt = self.ledger.setdefault(order_id, Receipt(payment_id=str(uuid5(_PAYMENTS, str(order_id)))))
        if len(self.ledger) > LEDGER_SIZE:
            del self.ledger[next(iter(self.ledger))]
        return receipt
