"""Records the outcomes of many payments with few calls to DynamoDB."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.order import Order
from shared.order_table import CALL_SECONDS, STATEMENTS_PER_CALL, OrderTable, TableUnavailable, TableUnreachable
from shared.tracing import SEND_SECONDS

CALLS_AT_ONCE = 2  # one is prepared while DynamoDB answers the other
# Tries of an outcome that DynamoDB throttles. The waits between them add up to at most 0.1 + 0.2 + 0.4 + 0.8 = 1.5 s.
TRIES = 5
FIRST_BACKOFF_SECONDS = 0.1
# What is left of the invocation's time when the last call starts: for the call, the traces and everything else.
RESERVED_SECONDS = CALL_SECONDS + SEND_SECONDS + 1


class OutOfTime(Exception):
    """The invocation has no time left to record the outcome."""


class OutcomeWriter:
    """A group commit: as soon as one of its threads is free, it records up to STATEMENTS_PER_CALL waiting outcomes.

    So one outcome is recorded at once, a thousand that come together take 40 calls, and slow calls make large groups.
    `seconds_left` tells how much time the invocation has left. With less than RESERVED_SECONDS no call starts.
    """

    def __init__(self, orders: OrderTable, seconds_left: Callable[[], float]) -> None:
        self._orders = orders
        self._seconds_left = seconds_left
        self._threads = ThreadPoolExecutor(max_workers=CALLS_AT_ONCE)
        self._waiting: deque[tuple[Order, asyncio.Future[Order | Exception]]] = deque()
        self._calls: set[asyncio.Task[None]] = set()
        # A connection that failed. Another call would only wait for the same failure.
        self.outage: TableUnreachable | None = None

    async def record(self, outcome: Order) -> Order:
        """Record an outcome, and return the order as it is stored now (OrderTable.record).

        Raises
        ------
        TableUnavailable, OutcomeRefused, OrderNotFound, UnreadableOrder, OutOfTime, botocore's ClientError
        """
        tries = 1
        while isinstance(result := await self._next_call(outcome), Exception):
            if not isinstance(result, TableUnavailable) or self.outage or tries == TRIES:
                raise result
            # Full jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
            await asyncio.sleep(random.uniform(0, FIRST_BACKOFF_SECONDS * 2 ** (tries - 1)))  # noqa: S311  # no secret
            tries += 1
        return result

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _next_call(self, outcome: Order) -> asyncio.Future[Order | Exception]:
        """Have an outcome recorded by the next call that is not full."""
        loop = asyncio.get_running_loop()
        recorded: asyncio.Future[Order | Exception] = loop.create_future()
        self._waiting.append((outcome, recorded))
        loop.call_soon(self._start_calls)  # once all payments that end in this turn of the loop have added theirs
        return recorded

    def _start_calls(self) -> None:
        while self._waiting and len(self._calls) < CALLS_AT_ONCE:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), STATEMENTS_PER_CALL))]
            call = asyncio.create_task(self._call(group))
            self._calls.add(call)
            call.add_done_callback(self._call_ended)

    def _call_ended(self, call: asyncio.Task[None]) -> None:
        self._calls.discard(call)
        self._start_calls()

    async def _call(self, group: Sequence[tuple[Order, asyncio.Future[Order | Exception]]]) -> None:
        outcomes = [outcome for outcome, _ in group]
        results: Sequence[Order | Exception]
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._threads, self._record, outcomes)
        except Exception as error:  # noqa: BLE001  # every outcome of the call fails with it
            results = [error] * len(group)
        for (_, recorded), result in zip(group, results, strict=True):
            if not recorded.done():  # its payment was cancelled
                recorded.set_result(result)

    def _record(self, outcomes: Sequence[Order]) -> Sequence[Order | Exception]:
        if self.outage:
            raise self.outage
        if self._seconds_left() < RESERVED_SECONDS:
            raise OutOfTime
        try:
            return self._orders.record(outcomes)
        except TableUnreachable as error:
            self.outage = error
            raise
