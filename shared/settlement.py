"""Settling orders: charge each one, record what came of it with few calls to DynamoDB, and tell metrics and traces."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit

from shared import tracing
from shared.observability import logger, metrics
from shared.order import Order, Status
from shared.order_table import STATEMENTS_PER_CALL
from shared.payment import Declined, GatewayUnavailable, PaymentGateway, Receipt
from shared.tracing import PaymentSegment

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient


# With one call to DynamoDB and one to X-Ray that time out, well within the functions' 30 s.
GATEWAY_TIMEOUT_SECONDS = 10


class Outcomes(Protocol):
    """Where outcomes are recorded: the orders table."""

    name: str

    def settle(self, orders: Sequence[Order]) -> list[bool | Exception]: ...


class Settlement:
    """Settles the orders of one batch, all at once: a thousand payments take as long as one."""

    def __init__(self, outcomes: Outcomes, gateway: PaymentGateway, xray: "XRayClient") -> None:
        self._gateway = gateway
        self._xray = xray
        self._writer = _CoalescingWriter(outcomes)
        self._aws = {"operation": "BatchExecuteStatement", "table_name": outcomes.name}
        self._settling: dict[UUID, asyncio.Task[None]] = {}
        self._attempts: list[PaymentSegment] = []
        self._settled: list[tuple[Status, float]] = []  # with the seconds since the order was created

    async def settle(self, order: Order, queued_at: float) -> None:
        """Charge an order and record the outcome. An order that comes twice is settled once, for both.

        `queued_at` is when the order began to wait for it, in epoch seconds.

        Raises
        ------
        GatewayUnavailable
            The payment was not made.
        OrderNotFound, OrderNotSettled, botocore's exceptions
            The outcome is not recorded. To settle the order again is safe: nobody is charged twice.
        """
        if order.order_id not in self._settling:
            self._settling[order.order_id] = asyncio.create_task(self._settle(order, queued_at))
        await self._settling[order.order_id]

    def report(self) -> None:
        """Tell metrics and X-Ray what became of the orders, once all are settled or failed; nothing comes after it."""
        self._writer.close()
        for status, count in Counter(status for status, _ in self._settled).items():
            metrics.add_metric(name=f"Payments{status.capitalize()}", unit=MetricUnit.Count, value=count)
        for _, seconds in self._settled:
            metrics.add_metric(name="TimeToSettle", unit=MetricUnit.Seconds, value=seconds)
        tracing.send(self._xray, self._attempts)

    async def _settle(self, order: Order, queued_at: float) -> None:
        attempt = PaymentSegment(order, queued_at)
        self._attempts.append(attempt)
        names = {"order_id": str(order.order_id), "trace_id": order.trace_id}
        try:
            with self._writer.expecting_one():
                settled = await self._charge(order, attempt)
                recorded = self._writer.add(settled)
            with attempt.subsegment("DynamoDB", namespace="aws", aws=self._aws):
                is_first = await recorded
        except Exception as error:
            logger.warning("Payment failed", extra=names | {"reason": f"{type(error).__name__}: {error}"})
            raise
        attempt.order = settled
        if is_first:
            self._settled.append((settled.status, time.time() - order.created_at.timestamp()))
        message = "Payment settled" if is_first else "Payment was settled before"
        logger.info(message, extra=names | {"status": settled.status})

    async def _charge(self, order: Order, attempt: PaymentSegment) -> Order:
        try:
            with attempt.subsegment("payment gateway", error=Declined, namespace="remote"):
                receipt = await self._ask_gateway(order)
        except Declined as decline:
            return order.declined(str(decline))
        return order.processed(receipt.payment_id)

    async def _ask_gateway(self, order: Order) -> Receipt:
        try:
            async with asyncio.timeout(GATEWAY_TIMEOUT_SECONDS):
                return await self._gateway.charge(order_id=order.order_id, amount=order.total, currency=order.currency)
        except TimeoutError:
            raise GatewayUnavailable(f"no answer in {GATEWAY_TIMEOUT_SECONDS} s") from None


class _CoalescingWriter:
    """Records outcomes in calls that are as full as can be, two at a time: one is prepared while another is on its way.

    A call starts when it is full, or when no further outcome is expected. So the last few outcomes wait for the
    slowest payment, as the batch itself does.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._threads = ThreadPoolExecutor(max_workers=2)
        self._calls: set[asyncio.Task[None]] = set()
        self._expected = 0
        self._outage: Exception | None = None
        self._waiting: list[tuple[Order, asyncio.Future[bool]]] = []

    @contextmanager
    def expecting_one(self) -> Iterator[None]:
        """Announce an outcome, which is added, or fails to come, before the context ends."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            if self._expected == 0:
                self._flush()

    def add(self, order: Order) -> asyncio.Future[bool]:
        """Have an outcome recorded; to await what is returned tells what OrderTable.settle says of it."""
        recorded: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, recorded))
        if len(self._waiting) == STATEMENTS_PER_CALL:
            self._flush()
        return recorded

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _flush(self) -> None:
        group, self._waiting = self._waiting, []
        if group:
            call = asyncio.create_task(self._record(group))
            self._calls.add(call)  # the event loop itself keeps only a weak reference
            call.add_done_callback(self._calls.discard)

    def _call(self, orders: Sequence[Order]) -> list[bool | Exception]:
        """Of an outage one call is enough to know, and to wait for: the calls after it fail at once."""
        if self._outage:
            raise self._outage
        try:
            return self._outcomes.settle(orders)
        except Exception as error:
            self._outage = error
            raise

    async def _record(self, group: list[tuple[Order, asyncio.Future[bool]]]) -> None:
        orders = [order for order, _ in group]
        results: Sequence[bool | Exception]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._threads, self._call, orders)
        except Exception as error:  # noqa: BLE001  # whatever it is, each of the orders has to hear of it
            results = [error] * len(group)
        for (_, recorded), result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                recorded.set_exception(result)
            else:
                recorded.set_result(result)
