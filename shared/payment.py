"""The payment provider: the contract that the service relies on, and a simulated provider that keeps it."""

import asyncio
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID, uuid5

from shared.settings import PaymentSettings

# Two totals that let a person try the unhappy paths.
DECLINED_TOTAL = Decimal("402.00")
UNAVAILABLE_TOTAL = Decimal("503.00")
REMEMBERED_CHARGES = 1_000

_PAYMENTS = UUID("6f1d2f0e-3f0b-4c55-9c0d-5a8f7f5b8f10")


@dataclass(frozen=True)
class Receipt:
    """The provider's confirmation that the customer was charged. `payment_id` is the same for the same order."""

    payment_id: str


class Declined(Exception):
    """The provider refuses the payment for good. The message is the reason, which the client is shown."""


class ProviderUnavailable(Exception):
    """The provider cannot be reached, fails or does not answer. The message is logged: no personal data, no secrets."""


class PaymentProvider(Protocol):
    """A payment provider, as an adapter shows it to the service (docs/payment-provider.md walks through one).

    - The order_id is the provider's idempotency key. For at least 24 hours a second `charge` with it returns the first
      one's outcome and charges nothing. After that `charge` may charge again, so the service calls `find` before it.
    - Both methods may be called for a thousand orders at once, and are cancelled after PROVIDER_TIMEOUT_SECONDS. It is
      unknown whether a cancelled charge was made; the next attempt finds out.
    - Any exception but Declined means that the attempt failed: it is made again later.
    - The adapter is made when Lambda imports the function, where no event loop runs. All calls of an execution
      environment run in one event loop, so a client that is bound to a loop may be opened at the first call and kept.
    """

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:
        """Charge an order.

        Raises
        ------
        Declined
        ProviderUnavailable
        """
        ...

    async def find(self, order_id: UUID) -> Receipt | None:
        """Return the receipt of an order that was charged; None if the provider has no charge for it.

        The answer covers the order's whole life, not only the time for which the provider keeps idempotency keys.

        Raises
        ------
        Declined
            The order's payment was refused for good.
        ProviderUnavailable
        """
        ...


class SimulatedProvider:
    """A provider that takes `delay_seconds` to charge, and remembers the last REMEMBERED_CHARGES receipts.

    It declines DECLINED_TOTAL, and is unavailable for UNAVAILABLE_TOTAL.
    """

    def __init__(self, delay_seconds: float) -> None:
        self._delay_seconds = delay_seconds
        self._receipts: dict[UUID, Receipt] = {}

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # simulated: no currency differs
        await asyncio.sleep(self._delay_seconds)
        if amount == DECLINED_TOTAL:
            raise Declined("insufficient funds")
        if amount == UNAVAILABLE_TOTAL:
            raise ProviderUnavailable("the payment provider does not answer")
        receipt = self._receipts.setdefault(order_id, Receipt(payment_id=str(uuid5(_PAYMENTS, str(order_id)))))
        if len(self._receipts) > REMEMBERED_CHARGES:
            del self._receipts[next(iter(self._receipts))]
        return receipt

    async def find(self, order_id: UUID) -> Receipt | None:
        return self._receipts.get(order_id)


def payment_provider(settings: PaymentSettings) -> PaymentProvider:
    """Make the provider that both ProcessPayment and RecoverOrders use: the place to put a real provider in."""
    if settings.payment_provider:
        make: Callable[[PaymentSettings], PaymentProvider] = pkgutil.resolve_name(settings.payment_provider)
        return make(settings)
    return SimulatedProvider(settings.payment_delay_seconds)
