"""Settling orders: charge each one, and record what came of it with few calls to DynamoDB."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from shared.observability import logger
from shared.order import Order
from shared.order_table import STATEMENTS_PER_CALL
from shared.payment import Declined, PaymentGateway


class Outcomes(Protocol):
    """Where outcomes are recorded: the orders table."""

    def settle(self, orders: Sequence[Order]) -> list[Exception | None]: ...


class Settlement:
    """Settles the orders of one batch, all at once: a thousand payments take as long as one.

    `counts` tells how many orders were settled how, each outcome by the name of its metric.
    """

    def __init__(self, outcomes: Outcomes, gateway: PaymentGateway) -> None:
        self.counts: Counter[str] = Counter()
        self._gateway = gateway
        self._writer = _CoalescingWriter(outcomes)
        self._settling: dict[UUID, asyncio.Task[None]] = {}

    async def settle(self, order: Order) -> None:
        """Charge an order and record the outcome. An order that comes twice is settled once, for both.

        Raises
        ------
        GatewayUnavailable
            The payment was not made.
        OrderNotFound, OrderNotSettled, botocore's exceptions
            The outcome is not recorded. To settle the order again is safe: nobody is charged twice.
        """
        if order.order_id not in self._settling:
            self._settling[order.order_id] = asyncio.create_task(self._settle(order))
        await self._settling[order.order_id]

    async def _settle(self, order: Order) -> None:
        try:
            with self._writer.expecting_one():
                recorded = self._writer.add(await self._charge(order))
            settled = await recorded
        except Exception as error:
            logger.warning("Payment failed", order_id=str(order.order_id), reason=f"{type(error).__name__}: {error}")
            raise
        self.counts[f"Payments{settled.status.capitalize()}"] += 1
        logger.info("Payment settled", order_id=str(order.order_id), status=settled.status)

    async def _charge(self, order: Order) -> Order:
        try:
            receipt = await self._gateway.charge(order_id=order.order_id, amount=order.total, currency=order.currency)
        except Declined as decline:
            return order.declined(str(decline))
        return order.processed(receipt.payment_id)


class _CoalescingWriter:
    """Records outcomes in calls that are as full as can be, from one thread and so over one connection.

    A call starts when it is full, or when no further outcome is expected. So the last few outcomes wait for the
    slowest payment, as the batch itself does.
    """

    def __init__(self, outcomes: Outcomes) -> None:
        self._outcomes = outcomes
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._calls: set[asyncio.Task[None]] = set()
        self._expected = 0
        self._waiting: list[tuple[Order, asyncio.Future[Order]]] = []

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

    def add(self, order: Order) -> asyncio.Future[Order]:
        """Have an outcome recorded; what is returned can be awaited and raises why it is not."""
        recorded: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self._waiting.append((order, recorded))
        if len(self._waiting) == STATEMENTS_PER_CALL:
            self._flush()
        return recorded

    def _flush(self) -> None:
        group, self._waiting = self._waiting, []
        if group:
            call = asyncio.create_task(self._record(group))
            self._calls.add(call)  # the event loop itself keeps only a weak reference
            call.add_done_callback(self._calls.discard)

    async def _record(self, group: list[tuple[Order, asyncio.Future[Order]]]) -> None:
        orders = [order for order, _ in group]
        faults: Sequence[Exception | None]
        try:
            faults = await asyncio.get_running_loop().run_in_executor(self._thread, self._outcomes.settle, orders)
        except Exception as error:  # noqa: BLE001  # whatever it is, each of the orders has to hear of it
            faults = [error] * len(group)
        for (order, recorded), fault in zip(group, faults, strict=True):
            if fault:
                recorded.set_exception(fault)
            else:
                recorded.set_result(order)
