"""A payment provider that remembers each idempotency key for 24 hours, and every charge."""

import asyncio
import random
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from shared.payment import Declined, ProviderUnavailable, Receipt
from simulation.aws.lambda_functions import ATTEMPT_CPU_SECONDS, Lambda
from simulation.plan import RETENTION, Plan
from simulation.promises.history import OrderHistory
from simulation.promises.orders import Promises

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


class Provider:
    """The payment provider that the service asks: an order's script decides how each call ends."""

    def __init__(self, lambda_: Lambda, promises: Promises, plan: Plan, chance: random.Random) -> None:
        self._lambda = lambda_
        self._failures = lambda_.failures
        self._virtual_time = lambda_.virtual_time
        self._promises = promises
        self._plan = plan
        self._chance = chance

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # the currency is in no promise
        order = self._begin(order_id)
        self._promises.charge_begins(order, amount)
        failure = order.script.failures.pop(0) if order.script.failures else self._absence(order)
        if failure:
            self._failures.counts[f"charge: {failure}"] += 1
            order.note(self._virtual_time.now, f"the provider: {failure}")
        match failure:
            case "hangs":
                await asyncio.sleep(FOR_EVER)
            case "unavailable":
                await self._travel()
                raise ProviderUnavailable(failure)
            case "adapter fails":
                raise ValueError(failure)
        payment = self._payment(order, seconds=self._chance.uniform(12, 300) if failure == "answers late" else 0)
        if failure:
            await asyncio.sleep(FOR_EVER)
        await asyncio.sleep(max(payment.made_at - self._virtual_time.now, self._chance.uniform(0.1, 0.5)))
        self._lambda.crash("crash at the provider")
        return payment.answer()

    async def find(self, order_id: UUID) -> Receipt | None:
        order = self._begin(order_id)
        failure = "" if order.script.failures else self._absence(order)
        if failure:
            self._failures.counts[f"find: {failure}"] += 1
            await asyncio.sleep(FOR_EVER if failure == "hangs" else 0.2)
            raise ProviderUnavailable(failure)
        await self._travel()
        if order.script.is_slow:
            self._failures.counts["find: slow"] += 1
            await asyncio.sleep(self._chance.uniform(1, 9))
        made = [payment for payment in order.payments if payment.made_at <= self._virtual_time.now]
        order.note(self._virtual_time.now, f"the provider finds {len(made)}")
        return made[0].answer() if made else None

    def _begin(self, order_id: UUID) -> OrderHistory:
        """Take a call of the function that makes it; the first one for an order stands for its work on the order."""
        order = self._promises.order(order_id)
        self._lambda.crash("crash at the provider")
        invocation = self._lambda.invocation
        if not invocation.calls[order.order_id]:
            self._lambda.work(ATTEMPT_CPU_SECONDS[invocation.function])
        self._promises.recovery.called(order, invocation)
        return order

    def _payment(self, order: OrderHistory, seconds: float) -> Payment:
        """Make the payment, or return the one that the idempotency key stands for."""
        now = self._virtual_time.now
        if order.payments and now < order.payments[-1].asked_at + RETENTION:
            return order.payments[-1]
        receipt = Receipt(f"payment-{len(order.payments) + 1}-{order.order_id}")
        outcome = Declined(DECLINE) if order.script.is_declined else receipt
        payment = Payment(now, now + (seconds or self._chance.uniform(0.2, 3)), outcome)
        order.payments.append(payment)
        self._promises.paid(order)
        return payment

    def _absence(self, order: OrderHistory) -> str:
        if self._virtual_time.now < order.script.away_until or self._failures.occurs("provider away"):
            share = self._plan.hanging if self._failures.phase.kind == "backlog" else 0.2  # of five
            return "hangs" if self._chance.random() < share else "unavailable"
        return ""

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.05, 0.3))
