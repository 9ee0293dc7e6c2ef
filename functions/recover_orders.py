"""RecoverOrders: runs every minute and pays for the orders whose payment is due.

A payment is due again some time after it failed. It is also due when the stream did not deliver the order: after an
outage longer than 24 hours, or when the event source mapping gave up on its record or is switched off.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import islice
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import clock, tracing
from shared.observability import Metric, logger, metrics, tracer
from shared.order import Order, Status, to_timestamp
from shared.order_table import (
    BUCKETS,
    KEYS_PER_CALL,
    DueOrder,
    OrderTable,
    OutcomeRefused,
    TableUnavailable,
    UnreadableOrder,
)
from shared.payment import payment_provider
from shared.settings import PaymentSettings, load_settings
from shared.settlement import ATTEMPT_SECONDS, Settlement

ORDERS_IN_FLIGHT = 1_000  # what the payment provider's contract allows at once
POSTPONED_BY = timedelta(hours=1)

settings = load_settings(PaymentSettings)
orders = OrderTable(settings.orders_table)
provider = payment_provider(settings)
xray = tracing.client()
# All runs use one event loop, as Powertools' batch processor does in Lambda: the provider can keep its connections.
runner = asyncio.Runner()


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Pay for the orders that are due as the run starts, the longest overdue first, for as long as there is time.

    The event may name `buckets`, a part of the index's keys "0123456789abcdef": several schedules, each with its share,
    recover more orders than one run can.

    Returns
    -------
    How many orders this run itself `recovered` (processed or declined), how many it `deferred` because their payment
    failed, and for how many it `failed` to record an outcome or to read the order.
    """
    run = _Run(event.get("buckets", BUCKETS), lambda: context.get_remaining_time_in_millis() / 1000)
    return runner.run(run.recover())


class _Run:
    """A pipeline: the next orders are read while others are paid. Each has a place until its outcome is recorded."""

    def __init__(self, buckets: Iterable[str], seconds_left: Callable[[], float]) -> None:
        self._now = clock.now()
        self._seconds_left = seconds_left
        self._due = orders.due(self._now, buckets)
        self._settlement = Settlement(orders, provider, xray, settings.payment_deadline_seconds, seconds_left)
        self._places = asyncio.Semaphore(ORDERS_IN_FLIGHT)
        self._in_flight: set[asyncio.Task[None]] = set()
        self._most_overdue_seconds: float | None = None  # unknown until the index is read
        self._failed = 0

    async def recover(self) -> dict[str, int]:
        """Pay for what is due, and return the counts when all that was started has ended."""
        try:
            await self._start_attempts()
        finally:
            await asyncio.gather(*self._in_flight, return_exceptions=True)
            self._settlement.close()
            if (seconds := self._most_overdue_seconds) is not None:
                metrics.add_metric(name=Metric.MOST_OVERDUE_PAYMENT, unit=MetricUnit.Seconds, value=seconds)
        counts = self._settlement.counts
        recovered = counts[Status.PROCESSED] + counts[Status.DECLINED]
        return {"recovered": recovered, "deferred": counts[Status.PENDING], "failed": self._failed}

    async def _start_attempts(self) -> None:
        due = await asyncio.to_thread(self._read)
        while due is not None and self._may_start():
            reading = asyncio.create_task(asyncio.to_thread(self._read))
            for order in due:
                await self._places.acquire()
                if not self._may_start():
                    break
                attempt = asyncio.create_task(self._attempt(order))
                self._in_flight.add(attempt)
                attempt.add_done_callback(self._in_flight.discard)
            due = await reading

    def _may_start(self) -> bool:
        return self._seconds_left() >= ATTEMPT_SECONDS and not self._settlement.is_cut_off

    def _read(self) -> list[Order] | None:
        """Read the next orders; None if no more are due."""
        entries = list(islice(self._due, KEYS_PER_CALL))
        self._most_overdue_seconds = self._most_overdue_seconds or 0
        if not entries:
            return None
        due = []
        for entry, order in orders.read(entries):
            if isinstance(order, UnreadableOrder):
                self._postpone(entry, f"The item is not a valid order: {order}")
            elif order.status is Status.PENDING and order.due_at and order.due_at <= self._now:  # read consistently
                overdue_seconds = (self._now - order.due_at).total_seconds()
                self._most_overdue_seconds = max(self._most_overdue_seconds, overdue_seconds)
                due.append(order)
        return due

    async def _attempt(self, order: Order) -> None:
        queued_at = (order.due_at if order.attempts else None) or order.created_at
        try:
            await self._settlement.attempt(order, queued_at.timestamp())
        except OutcomeRefused as error:
            entry = DueOrder(to_timestamp(order.due_at or self._now), str(order.order_id))
            await asyncio.to_thread(self._postpone, entry, f"DynamoDB refuses its outcome: {error}")
        except Exception:  # noqa: BLE001  # it is logged, and the order is due again at the next run
            self._failed += 1
        finally:
            self._places.release()

    def _postpone(self, entry: DueOrder, reason: str) -> None:
        """Move an order on that no attempt can settle: it must not stay at the head of the index."""
        self._failed += 1
        try:
            orders.postpone(entry, self._now + POSTPONED_BY)
        except (TableUnavailable, OutcomeRefused) as error:
            reason += f"; it is not postponed: {error}"
        logger.error("Order postponed", extra={"order_id": entry.order_id, "reason": reason})
