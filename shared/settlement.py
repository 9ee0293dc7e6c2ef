"""Attempts to pay for orders: charge, record the outcome, and report it to logs, metrics and traces."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from shared import clock
from shared.observability import Metric, logger, metrics
from shared.order import Order, Status
from shared.order_table import OrderTable
from shared.outcome_writer import RESERVED_SECONDS, OutcomeWriter
from shared.payment import Declined, PaymentProvider, ProviderUnavailable, Receipt
from shared.retry_schedule import RetrySchedule, Step
from shared.tracing import Attempt, SegmentSender

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

PROVIDER_TIMEOUT_SECONDS = 10  # of each call
RECORDING_SECONDS = 10  # for the tries of an outcome, before the last one starts
# The longest attempt, with a call of `find` and one of `charge`. An invocation with less time left starts none.
ATTEMPT_SECONDS = 2 * PROVIDER_TIMEOUT_SECONDS + RECORDING_SECONDS + RESERVED_SECONDS


class Settlement:
    """The attempts to pay of one invocation, any number at once. It keeps nothing of an attempt that has ended.

    No charge starts when an order is older than `deadline_seconds`. `seconds_left` tells how much time the invocation
    has left.
    """

    def __init__(
        self,
        orders: OrderTable,
        provider: PaymentProvider,
        xray: "XRayClient",
        deadline_seconds: float,
        seconds_left: Callable[[], float],
    ) -> None:
        # How many attempts this settlement itself recorded, by what the order is now: PENDING is deferred.
        self.counts = Counter[Status]()
        self._provider = provider
        self._schedule = RetrySchedule(timedelta(seconds=deadline_seconds))
        self._writer = OutcomeWriter(orders, seconds_left)
        self._segments = SegmentSender(xray, orders.name)
        self._under_way: dict[UUID, asyncio.Task[None]] = {}

    @property
    def is_cut_off(self) -> bool:
        """Whether the connection to DynamoDB has failed, so that no outcome will be recorded."""
        return self._writer.outage is not None

    async def attempt(self, order: Order, queued_at: float) -> None:
        """Try to pay for an order, and record that it is settled or deferred.

        An order that comes again meanwhile is charged once. `queued_at` is when it began to wait, in epoch seconds.

        Raises
        ------
        TableUnavailable, OutcomeRefused, OrderNotFound, UnreadableOrder, OutOfTime, botocore's ClientError
            The outcome is not recorded. Another attempt is safe: the provider knows its order_id.
        """
        order_id = order.order_id
        if order_id not in self._under_way:
            self._under_way[order_id] = asyncio.create_task(self._attempt(order, queued_at))
            self._under_way[order_id].add_done_callback(lambda _: self._under_way.pop(order_id))
        await self._under_way[order_id]

    def close(self) -> None:
        """Close the writer, publish the last metrics and send the last trace segments. Call once, at the end."""
        self._writer.close()
        declined = self.counts[Status.DECLINED]
        metrics.add_metric(name=Metric.PAYMENTS_DECLINED, unit=MetricUnit.Count, value=declined)
        self._segments.close()

    async def _attempt(self, order: Order, queued_at: float) -> None:
        attempt = Attempt(order, queued_at)
        try:
            outcome = await self._pay(order, attempt)
            stored = await self._writer.record(outcome)
        except Exception as error:
            attempt.not_recorded(error)
            self._segments.add(attempt)
            logger.error("Outcome not recorded", extra=attempt.fields)
            raise
        attempt.recorded(stored)
        self._segments.add(attempt)
        self._report(attempt, stored, is_ours=stored.attempt_id == outcome.attempt_id)

    async def _pay(self, order: Order, attempt: Attempt) -> Order:
        """Try to pay, and return the order with the outcome: processed, declined or deferred."""
        try:
            with attempt.calling_provider():
                receipt = await self._find_or_charge(order)
        except Declined as decline:
            return order.declined(str(decline))
        except ProviderUnavailable:
            receipt = None
        if receipt:
            return order.processed(receipt.payment_id)
        return order.deferred(self._schedule.next_attempt_at(order, clock.now()))

    async def _find_or_charge(self, order: Order) -> Receipt | None:
        """Do the order's next step: its receipt, or None if it is too late to charge and too early to decline."""
        step = self._schedule.next_step(order, clock.now())
        if step is not Step.CHARGE:
            receipt = await _in_time(partial(self._provider.find, order.order_id))
            if receipt:
                return receipt
            if step is Step.ASK_THEN_END:
                hours = self._schedule.deadline / timedelta(hours=1)
                raise Declined(f"No payment within {hours:g} hours")
            step = self._schedule.next_step(order, clock.now())  # `find` may have taken long
        if step not in {Step.CHARGE, Step.ASK_THEN_CHARGE}:
            return None
        charge = partial(self._provider.charge, order_id=order.order_id, amount=order.total, currency=order.currency)
        return await _in_time(charge)

    def _report(self, attempt: Attempt, stored: Order, *, is_ours: bool) -> None:
        """Log and count an attempt: as it is stored, and only if this attempt is what was stored."""
        if not is_ours:  # if the answer to an earlier try of ours was lost, it is
            logger.info("Another attempt was recorded before", extra=attempt.fields)
            return
        self.counts[stored.status] += 1
        settled_at = stored.processed_at or stored.declined_at
        if settled_at is None:
            logger.warning("Order deferred", extra=attempt.fields)
            metrics.add_metric(name=Metric.PAYMENTS_DEFERRED, unit=MetricUnit.Count, value=stored.attempts)
        else:
            logger.info("Order settled", extra=attempt.fields)
            seconds = (settled_at - stored.created_at).total_seconds()
            metrics.add_metric(name=Metric.TIME_TO_SETTLE, unit=MetricUnit.Seconds, value=seconds)


async def _in_time[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call the provider, for PROVIDER_TIMEOUT_SECONDS at most. Any error but Declined means that it is unavailable."""
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS):
            return await call()
    except (Declined, ProviderUnavailable):
        raise
    except TimeoutError:
        raise ProviderUnavailable(f"no answer within {PROVIDER_TIMEOUT_SECONDS} s") from None
    except Exception as error:  # noqa: BLE001  # an error in the adapter must not hold up the rest of the batch
        raise ProviderUnavailable(type(error).__name__) from None  # without its message, which may quote personal data
