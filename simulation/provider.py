"""A payment provider that remembers: each idempotency key for 24 hours, and each charge for ever."""

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.payment import Declined, ProviderUnavailable, Receipt
from simulation.aws.lambda_functions import Crash
from simulation.injected_failures import Faults
from simulation.plan import RETENTION
from simulation.promises import OrderHistory, Promises
from simulation.virtual.time import VirtualTime

FOR_EVER = 1e9
DECLINE = "insufficient funds"


@dataclass(frozen=True)
class Payment:
    """The outcome of a charge: made at a time, which may be after the caller has given up."""

    asked_at: float
    made_at: float
    outcome: Receipt | Declined

    def answer(self) -> Receipt:
        """Return the receipt, or raise Declined."""
        if isinstance(self.outcome, Declined):
            raise Declined(*self.outcome.args)
        return self.outcome


@dataclass
class Provider:
    """The payment provider that the service asks: an order's script decides how each call ends."""

    virtual_time: VirtualTime
    faults: Faults
    promises: Promises
    chance: random.Random
    crash: Crash

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # the currency is in no promise
        order = self.promises.order(order_id)
        self.crash("crash at the provider")
        self.promises.charge_begins(order, amount)
        fault = order.script.faults.pop(0) if order.script.faults else await self._absence(order)
        if fault:
            self.faults.counts[f"charge: {fault}"] += 1
            order.note(self.virtual_time.now, f"the provider: {fault}")
        match fault:
            case "hangs":
                await asyncio.sleep(FOR_EVER)
            case "unavailable":
                await self._travel()
                raise ProviderUnavailable(fault)
            case "adapter fails":
                raise ValueError(fault)
        payment = self._payment(order, seconds=self.chance.uniform(12, 300) if fault == "answers late" else 0)
        if fault:
            await asyncio.sleep(FOR_EVER)
        await asyncio.sleep(max(payment.made_at - self.virtual_time.now, self.chance.uniform(0.1, 0.5)))
        self.crash("crash at the provider")
        return payment.answer()

    async def find(self, order_id: UUID) -> Receipt | None:
        order = self.promises.order(order_id)
        self.crash("crash at the provider")
        fault = "" if order.script.faults else await self._absence(order)
        if fault:
            self.faults.counts[f"find: {fault}"] += 1
            await asyncio.sleep(FOR_EVER if fault == "hangs" else 0.2)
            raise ProviderUnavailable(fault)
        await self._travel()
        made = [payment for payment in order.payments if payment.made_at <= self.virtual_time.now]
        order.note(self.virtual_time.now, f"the provider finds {len(made)}")
        return made[0].answer() if made else None

    def _payment(self, order: OrderHistory, seconds: float) -> Payment:
        """Make the payment, or return the one that the idempotency key stands for."""
        now = self.virtual_time.now
        if order.payments and now < order.payments[-1].asked_at + RETENTION:
            return order.payments[-1]
        receipt = Receipt(f"payment-{len(order.payments) + 1}-{order.order_id}")
        outcome = Declined(DECLINE) if order.script.is_declined else receipt
        payment = Payment(now, now + (seconds or self.chance.uniform(0.2, 3)), outcome)
        order.payments.append(payment)
        self.promises.paid(order)
        return payment

    async def _absence(self, order: OrderHistory) -> str:
        if self.virtual_time.now < order.script.away_until or self.faults.occurs("provider away"):
            return "hangs" if self.chance.random() < 0.2 else "unavailable"  # of five
        return ""

    async def _travel(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.05, 0.3))
