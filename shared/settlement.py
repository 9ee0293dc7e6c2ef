"""Settling orders: charge each one, record the outcome, and report it to logs, metrics and traces."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from shared import clock, tracing
from shared.observability import Metric, logger, metrics
from shared.order import Order, Status
from shared.outcome_writer import Outcomes, OutcomeWriter
from shared.payment import SURELY_REMEMBERED, Declined, PaymentProvider, ProviderUnavailable, Receipt
from shared.retry_schedule import RetrySchedule
from shared.tracing import PaymentSegment

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

# Of each call of the provider. RecoverOrders makes two, ProcessPayment one, but two for an order that is a day old.
PROVIDER_TIMEOUT_SECONDS = 10


class Settlement:
    """Settles the orders of one batch, all at once: a thousand payments take as long as one.

    No charge starts when an order is older than `deadline_seconds`. `seconds` is the time that the invocation has left.
    """

    def __init__(
        self,
        outcomes: Outcomes,
        provider: PaymentProvider,
        xray: "XRayClient",
        deadline_seconds: float,
        seconds: float,
    ) -> None:
        self._provider = provider
        self._xray = xray
        self._schedule = RetrySchedule(timedelta(seconds=deadline_seconds))
        self._writer = OutcomeWriter(outcomes, seconds)
        self._aws = {"operation": "BatchExecuteStatement", "table_name": outcomes.name}
        self._attempts: dict[UUID, asyncio.Task[Order]] = {}
        self._segments: list[PaymentSegment] = []
        self._recorded: list[Order] = []  # the outcomes that this settlement recorded itself

    async def settle(self, order: Order, *, queued_at: float, ask_first: bool = False) -> Order:
        """Charge an order, record the outcome, and return the order as it is stored now: settled or deferred.

        An order that comes twice is charged once. `queued_at` is when it began to wait, in epoch seconds. With
        `ask_first` the provider is asked whether it has charged the order before. For an order that is a day old it is
        always asked.

        Raises
        ------
        TableUnavailable, OutcomeRefused, OrderNotFound, UnreadableOrder, OutOfTime, botocore's ClientError
            The outcome is not recorded. To settle the order again is safe: the provider knows its order_id.
        """
        if order.order_id not in self._attempts:
            self._attempts[order.order_id] = asyncio.create_task(self._settle(order, queued_at, ask_first=ask_first))
        return await self._attempts[order.order_id]

    def close(self) -> Counter[Status]:
        """Publish metrics and trace segments. Call once, when all orders are settled.

        Returns
        -------
        How many orders this settlement itself processed, declined and deferred (PENDING).
        """
        self._writer.close()
        counts = Counter(order.status for order in self._recorded)
        for order in self._recorded:
            settled_at = order.processed_at or order.declined_at
            if settled_at:
                seconds = (settled_at - order.created_at).total_seconds()
                metrics.add_metric(name=Metric.TIME_TO_SETTLE, unit=MetricUnit.Seconds, value=seconds)
        metrics.add_metric(name=Metric.PAYMENTS_DECLINED, unit=MetricUnit.Count, value=counts[Status.DECLINED])
        metrics.add_metric(name=Metric.PAYMENTS_DEFERRED, unit=MetricUnit.Count, value=counts[Status.PENDING])
        tracing.send(self._xray, self._segments)
        return counts

    async def _settle(self, order: Order, queued_at: float, *, ask_first: bool) -> Order:
        segment = PaymentSegment(order, queued_at)
        self._segments.append(segment)
        try:
            with self._writer.expecting_one():
                outcome = await self._attempt(order, segment, ask_first=ask_first)
                recording = self._writer.add(outcome)
            with segment.subsegment("DynamoDB", namespace="aws", aws=self._aws):
                stored = await recording
        except Exception as error:
            logger.error("Outcome not recorded", extra=_fields(order, reason=f"{type(error).__name__}: {error}"))
            raise
        segment.order = stored
        if stored.attempt_id == outcome.attempt_id:  # ours, also when the answer to an earlier try was lost
            self._recorded.append(stored)
            message = "Order deferred" if stored.status is Status.PENDING else "Order settled"
        else:
            message = "Another attempt was recorded before"
        logger.info(message, extra=_fields(order, status=stored.status, attempts=stored.attempts, due_at=stored.due_at))
        return stored

    async def _attempt(self, order: Order, segment: PaymentSegment, *, ask_first: bool) -> Order:
        """Try to pay, and return the order with the outcome: processed, declined or deferred."""
        try:
            with segment.subsegment("payment provider", error=Declined, namespace="remote"):
                receipt = await self._pay(order, ask_first=ask_first)
        except Declined as decline:
            return order.declined(str(decline))
        except ProviderUnavailable as error:
            logger.warning("Payment failed", extra=_fields(order, reason=str(error)))
            return order.deferred(self._schedule.next_attempt_at(order, clock.now()))
        return order.processed(receipt.payment_id)

    async def _pay(self, order: Order, *, ask_first: bool) -> Receipt:
        asked_at = clock.now()
        is_remembered = asked_at < order.created_at + SURELY_REMEMBERED
        if ask_first or not is_remembered or not self._schedule.may_charge(order, asked_at):
            receipt = await _in_time(partial(self._provider.find, order.order_id))
            if receipt:
                return receipt
            if self._schedule.is_over(order, asked_at):
                hours = self._schedule.deadline / timedelta(hours=1)
                raise Declined(f"No payment within {hours:g} hours")
        if not self._schedule.may_charge(order, clock.now()):
            raise ProviderUnavailable("the deadline has passed; the provider is asked once more before the order ends")
        return await _in_time(
            partial(self._provider.charge, order_id=order.order_id, amount=order.total, currency=order.currency)
        )


async def _in_time[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call the provider, for PROVIDER_TIMEOUT_SECONDS at most. Any error but Declined means that it is unavailable."""
    try:
        async with asyncio.timeout(PROVIDER_TIMEOUT_SECONDS):
            return await call()
    except (Declined, ProviderUnavailable):
        raise
    except TimeoutError:
        raise ProviderUnavailable(f"no answer within {PROVIDER_TIMEOUT_SECONDS} s") from None
    except Exception as error:  # noqa: BLE001  # a fault in the adapter must not hold up the rest of the batch
        raise ProviderUnavailable(type(error).__name__) from None  # without its message, which may quote personal data


def _fields(order: Order, **fields: object) -> dict[str, object]:
    """Return the fields of a log line about an order."""
    return {"order_id": str(order.order_id), "trace_id": order.trace_id, **fields}
