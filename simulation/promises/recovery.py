"""What RecoverOrders promises: the longest overdue first, one attempt when an order is due, no backlog that stays."""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from shared.order import Status
from simulation.aws.update_statement import Item
from simulation.plan import HOUR, MINUTE, Plan
from simulation.promises.history import OrderHistory
from simulation.virtual.time import VirtualTime

if TYPE_CHECKING:
    from simulation.aws.lambda_functions import Invocation

RUN_SECONDS = MINUTE  # from one run to the next
# How many runs an attempt takes at most, if nothing keeps it from being recorded: two of one minute, and those of the
# minutes before that are late.
MOST_RUNS = 6
MOST_CALLS = 2  # of the provider, by one invocation for one order: `find` and `charge`
# What is due is settled at this rate once nothing is in the way, after a run has begun, which may be late.
ORDERS_PER_SECOND = 200
UNITS_PER_ORDER = 4  # of the provisioned capacity: 2 or 3, and the rest for new orders and attempts that fail meanwhile
FIRST_SECONDS = 3 * RUN_SECONDS
LONGEST_RETRY = HOUR

Broken = Callable[[str, OrderHistory | None], None]


class RecoveryPromises:
    """Follows what RecoverOrders does."""

    def __init__(
        self,
        virtual_time: VirtualTime,
        plan: Plan,
        orders: Mapping[str, OrderHistory],
        broken: Broken,
        units: int | None,
    ) -> None:
        self._virtual_time = virtual_time
        self._plan = plan
        self._orders = orders
        self._broken = broken
        self._rate = units / UNITS_PER_ORDER if units else ORDERS_PER_SECOND
        self._due: list[tuple[float, str]] = []  # a heap of those that no run has read since they are due, and others

    def waits(self, order: OrderHistory) -> None:
        """Note that an order waits for its next attempt."""
        order.is_waiting = True
        heapq.heappush(self._due, (order.due_at, order.order_id))

    def read(self, items: Sequence[Item], invocation: "Invocation") -> None:
        """Note what a run has read."""
        now = self._virtual_time.now
        for item in items:
            if order := self._orders.get(item["order_id"]["S"]):
                is_due = order.status is Status.PENDING and order.due_at <= now
                invocation.is_due[order.order_id] = is_due
                order.is_waiting &= not is_due

    def called(self, order: OrderHistory, invocation: "Invocation") -> None:
        """Check that an invocation calls the provider for an order."""
        invocation.calls[order.order_id] += 1
        if invocation.calls[order.order_id] > MOST_CALLS:
            self._broken(f"an invocation calls the provider at most {MOST_CALLS} times for an order", order)
        if invocation.function != "recover_orders" or invocation.calls[order.order_id] > 1:
            return
        order.note(self._virtual_time.now, "RecoverOrders")
        if not invocation.is_due.get(order.order_id):
            self._broken("RecoverOrders takes only what is PENDING and due when it reads it", order)
        order.runs += 1
        if order.runs > MOST_RUNS:
            self._broken(f"an attempt takes at most {MOST_RUNS} runs", order)
        while self._due and not self._is_waiting(*self._due[0]):
            heapq.heappop(self._due)
        if self._due and self._due[0][0] < order.due_at - RUN_SECONDS:
            self._broken("no order waits behind one that is due a run later", self._orders[self._due[0][1]])

    def _is_waiting(self, due_at: float, order_id: str) -> bool:
        order = self._orders[order_id]
        return order.is_waiting and order.due_at == due_at

    def not_written(self, order_ids: Iterable[str]) -> None:
        """Note that a failure keeps these orders from being written: their attempts are made again."""
        for order_id in order_ids:
            if order_id in self._orders:
                self._orders[order_id].runs = 0

    def ended(self, invocation: "Invocation") -> None:
        """Check the end of an invocation."""
        if invocation.is_killed:
            self.not_written(invocation.calls)
        phases = {self._plan.phase_at(time).kind for time in (invocation.started_at, self._virtual_time.now)}
        if invocation.has_timed_out and phases <= {"", "calm", "backlog"}:
            self._broken(f"an invocation has the time that it needs: {invocation.function}", None)

    def watch_backlog(self) -> None:
        """Check, once the provider is back, that what is due is settled at the stated rate, and all within an hour."""
        returns_at = self._plan.backlog.end
        self._virtual_time.sleep(returns_at)
        waiting = [order for order in self._orders.values() if order.status is Status.PENDING and order.script.is_fine]
        due = [order for order in waiting if order.due_at <= returns_at]
        # An attempt that began before the provider was back may still fail: its order is due later.
        for orders, seconds, due_by in ((due, 0.0, returns_at), (waiting, LONGEST_RETRY, math.inf)):
            self._virtual_time.wait(returns_at + FIRST_SECONDS + seconds + len(orders) / self._rate)
            for order in orders:
                is_late = order.status is Status.PENDING and order.due_at <= due_by
                if is_late and order.created_at + self._plan.deadline > self._virtual_time.now:
                    self._broken(f"{self._rate:.0f} orders a second are settled once nothing is in the way", order)
