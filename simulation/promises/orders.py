"""What the service promises, checked at each step, and the history of each order to show if a promise is broken."""

import random
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from shared.observability import Metric
from shared.order import Status
from shared.payment import Declined
from shared.retry_schedule import CLOSING
from simulation.aws.update_statement import Item
from simulation.plan import HOUR, UNDISTURBED, Plan, Script
from simulation.promises.history import OrderHistory, to_seconds
from simulation.promises.recovery import RecoveryPromises
from simulation.virtual.time import VirtualTime

if TYPE_CHECKING:
    from simulation.aws.lambda_functions import Invocation

# How long an order without a failure waits at most: for the batch before it, in which a payment may hang (10 s), for a
# cold start, and for its own payment.
LONGEST_WAIT_SECONDS = 20
# How long after its deadline and the closing time an order may end: the provider may not answer for two hours more,
# RecoverOrders may be switched off for a while, and the last attempts are an hour apart.
LAST_HOURS = 5 * HOUR
# How often an attempt to pay for one order fails at most in three days: the backoff doubles from 30 s to an hour.
MOST_DEFERRALS = 100


# What the service logs of each attempt.
MESSAGES = {"Order settled", "Order deferred", "Outcome not recorded", "Another attempt was recorded before"}


class PromiseBroken(Exception):
    """The service broke a promise; the message has the history of the order."""


class Promises:
    """Follows every order, and has the run fail at the first promise that is broken."""

    def __init__(self, virtual_time: VirtualTime, plan: Plan, chance: random.Random, units: int | None) -> None:
        self.orders: dict[str, OrderHistory] = {}
        self.recovery = RecoveryPromises(virtual_time, plan, self.orders, self.broken, units)
        self.accepted: dict[str, None] = {}
        self.pending = 0  # how many orders are
        self.attempts = Counter[str]()  # their steps and their outcomes
        self._virtual_time = virtual_time
        self._plan = plan
        self._chance = chance
        self._capacity_exceeded_at = -1.0

    def order(self, order_id: UUID | str) -> OrderHistory:
        """Return an order that was stored."""
        return self.orders[str(order_id)]

    def inserted(self, item: Item) -> None:
        """Note a new order."""
        order_id, now = item["order_id"]["S"], self._virtual_time.now
        script = Script.draw(now, self._plan, self._chance)
        phase = self._plan.phase_at(now).kind
        total, due_at = Decimal(item["total"]["S"]), to_seconds(item["due_at"]["S"])
        order = OrderHistory(order_id, now, total, script, phase, is_fine=script.is_fine, due_at=due_at)
        order.note(now, f"stored in the phase {phase!r}, {script}")
        self.orders[order_id] = order
        self.pending += 1
        self.recovery.waits(order)

    def changed(self, before: Item, after: Item) -> None:
        """Check a change of an order."""
        order, now = self.order(after["order_id"]["S"]), self._virtual_time.now
        order.note(now, f"recorded: {_shown(after)}")
        if order.status is not Status.PENDING:
            self.broken("a settled order never changes", order)
        order.status = Status(after["status"]["S"])
        order.runs = 0
        attempts = [int(item.get("attempts", {"N": "0"})["N"]) for item in (before, after)]
        if order.status is Status.PENDING:
            order.deferrals += 1
            if order.deferrals > MOST_DEFERRALS:
                self.broken("failed attempts become rarer", order)
            if attempts[1] != attempts[0] + 1:
                self.broken("each failed attempt is counted once", order)
            order.due_at = to_seconds(after["due_at"]["S"])
            self.recovery.waits(order)
            return
        if {"pending_bucket", "due_at"} & after.keys():
            self.broken("a settled order is not in the index of those that wait", order)
        self.pending -= 1
        order.settled_at, order.is_waiting = now, False
        process = self._virtual_time.current.process
        order.settled_by = process  # type: ignore[assignment]  # only invocations write
        self.attempts["ended without a payment"] += (
            after.get("decline_reason", {}).get("S", "").startswith("No payment")
        )
        charges = [payment for payment in order.payments if not isinstance(payment.outcome, Declined)]
        if order.status is Status.DECLINED and charges:
            self.broken("an order that was charged is not declined", order)
        if order.status is Status.PROCESSED and [each.outcome.payment_id for each in charges] != [  # type: ignore[union-attr]
            after["payment_id"]["S"]
        ]:
            self.broken("an order is PROCESSED with the payment that was made", order)
        self._check_wait(order, now)

    def _check_wait(self, order: OrderHistory, now: float) -> None:
        if not order.is_fine or order.phase not in UNDISTURBED or self._capacity_exceeded_at > order.created_at:
            return
        if now - order.created_at > LONGEST_WAIT_SECONDS:
            self.broken(f"an order that nothing troubles waits at most {LONGEST_WAIT_SECONDS} s", order)
        if order.charges > 1:
            self.broken("a failing payment does not have others charged again", order)

    def charge_begins(self, order: OrderHistory, amount: Decimal) -> None:
        """Check a call of `charge`."""
        now = self._virtual_time.now
        order.charges += 1
        order.note(now, f"charge {order.charges}")
        if now >= order.created_at + self._plan.deadline:
            self.broken("no charge begins after the deadline", order)
        if amount != order.total:
            self.broken("an order is charged its total", order)

    def paid(self, order: OrderHistory) -> None:
        """Check a payment that was made, or will be when the provider comes to it."""
        payment = order.payments[-1]
        order.note(
            self._virtual_time.now,
            f"the provider makes {payment.outcome!r} in {payment.made_at - payment.asked_at:.1f} s",
        )
        if len(order.payments) > 1:
            self.broken("no order is charged twice", order)
        if order.status is Status.DECLINED:
            self.broken("nothing is charged after it was declined", order)

    def answer_lost(self, order_ids: Iterable[str]) -> None:
        """Note that a call that writes these orders gets no answer."""
        for order_id in order_ids:
            if order_id in self.orders:
                self.orders[order_id].lost_answer = True

    def capacity_exceeded(self) -> None:
        """Note that a write exceeds the table's capacity. Its record is delivered again, and those after it."""
        self._capacity_exceeded_at = self._virtual_time.now

    def answered(self, order_id: str) -> None:
        """Note that a client was told that its order is accepted."""
        self.accepted[order_id] = None

    def invocation_ended(self, invocation: "Invocation") -> None:
        """Check what an invocation has reported."""
        self.recovery.ended(invocation)
        if invocation.is_killed:
            return
        lines = Counter[str]()
        for message, order_id, status in invocation.reports:
            if message == "Order settled":
                order = self.order(order_id)
                order.reported += 1
                lines[status] += 1
                if status != order.status:
                    self.broken("what is logged is what is stored", order)
                if order.reported > 1:
                    self.broken("each order is reported as settled once", order)
            elif message == "Order deferred":
                lines[status] += 1
            if message in MESSAGES:
                self.attempts[f"{message}: {status}"] += 1
        metrics = invocation.metrics
        if (
            len(metrics[Metric.TIME_TO_SETTLE]) != lines[Status.PROCESSED] + lines[Status.DECLINED]
            or sum(metrics[Metric.PAYMENTS_DECLINED]) != lines[Status.DECLINED]
            or len(metrics[Metric.PAYMENTS_DEFERRED]) != lines[Status.PENDING]
        ):
            self.broken(f"the metrics count what is logged: {dict(metrics)}, {lines}")

    def check_end(self, items: dict[str, Item], *, is_over: bool) -> None:
        """Check what is left when nothing is left to do, or the time is over."""
        for order_id in self.accepted:
            if order_id not in items:
                self.broken(f"no order is lost: {order_id} is not stored")
        for order in self.orders.values():
            limit = order.created_at + self._plan.deadline + CLOSING.total_seconds() + LAST_HOURS
            if (is_over and order.status is Status.PENDING) or (order.settled_at or 0) > limit:
                self.broken("every order comes to an end", order)
            is_sure = order.settled_by and not order.settled_by.is_killed and not order.lost_answer
            if is_sure and order.reported != 1:
                self.broken("each order that is settled is reported", order)

    def broken(self, promise: str, order: OrderHistory | None = None) -> None:
        """End the run."""
        self._virtual_time.fail(PromiseBroken(f"Broken: {promise}.\n{order or ''}"))


def _shown(item: Item) -> str:
    names = ("status", "attempts", "due_at", "payment_id", "decline_reason")
    return ", ".join(f"{name} {next(iter(item[name].values()))}" for name in names if name in item) + (
        "" if "pending_bucket" not in item else ", in the index"
    )
