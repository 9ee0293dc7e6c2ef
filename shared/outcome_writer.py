"""Records the outcomes of many payments with few calls to DynamoDB."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Protocol

from shared.order import Order
from shared.order_table import STATEMENTS_PER_CALL, TableUnavailable, TableUnreachable

# How long an outcome waits for others to share its call, unless none is expected.
LINGER_SECONDS = 0.2
# Tries of an outcome that DynamoDB throttles. The waits between them add up to at most 0.1 + 0.2 + 0.4 + 0.8 = 1.5 s.
TRIES = 5
FIRST_BACKOFF_SECONDS = 0.1
# What is left of the invocation's time when the last call starts: 7 s for the call (shared/order_table.py: two tries of
# 3 s and up to 1 s between them), 3 s for the traces (shared/tracing.py), 1 s for everything else.
RESERVED_SECONDS = 11


class Outcomes(Protocol):
    """Where outcomes are recorded: the orders table."""

    name: str

    def record(self, outcomes: Sequence[Order]) -> list[Order | Exception]: ...


class OutOfTime(Exception):
    """The invocation has no time left to record the outcome."""


class OutcomeWriter:
    """Writes outcomes in calls of STATEMENTS_PER_CALL, two at a time: one is prepared while DynamoDB answers the other.

    A call that is not full starts once no further outcome is expected, or after LINGER_SECONDS: one slow payment does
    not keep the others from being recorded. No call starts when less than RESERVED_SECONDS are left of `seconds`, which
    count from the first outcome that is expected.
    """

    def __init__(self, outcomes: Outcomes, seconds: float) -> None:
        self._outcomes = outcomes
        self._seconds = seconds
        self._ends_at: float | None = None
        self._threads = ThreadPoolExecutor(max_workers=2)
        self._calls: set[asyncio.Task[None]] = set()
        self._expected = 0
        self._linger: asyncio.TimerHandle | None = None
        self._outage: TableUnreachable | None = None
        self._waiting: list[tuple[Order, asyncio.Future[Order]]] = []

    @contextmanager
    def expecting_one(self) -> Iterator[None]:
        """Announce an outcome. Before the context ends, the caller adds it, or its attempt fails."""
        loop = asyncio.get_running_loop()
        if self._ends_at is None:
            self._ends_at = loop.time() + self._seconds - RESERVED_SECONDS
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            # At the loop's next turn: the outcomes of payments that are about to start may share the call.
            loop.call_soon(self._flush_unless_more_are_expected)

    def add(self, outcome: Order) -> asyncio.Future[Order]:
        """Queue an outcome. The future has the result of OrderTable.record for it, or the exception."""
        loop = asyncio.get_running_loop()
        recorded: asyncio.Future[Order] = loop.create_future()
        self._waiting.append((outcome, recorded))
        if len(self._waiting) == STATEMENTS_PER_CALL:
            self._flush()
        elif len(self._waiting) == 1:
            self._linger = loop.call_later(LINGER_SECONDS, self._flush)
        return recorded

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    def _flush_unless_more_are_expected(self) -> None:
        if self._expected == 0:
            self._flush()

    def _flush(self) -> None:
        if self._linger:
            self._linger.cancel()
        group, self._waiting = self._waiting, []
        if group:
            call = asyncio.create_task(self._record(group))
            self._calls.add(call)  # the event loop itself keeps only a weak reference
            call.add_done_callback(self._calls.discard)

    async def _record(self, group: list[tuple[Order, asyncio.Future[Order]]]) -> None:
        """Record a group of outcomes. Those that DynamoDB throttles are tried again."""
        for tries in range(1, TRIES + 1):
            results = await self._call([outcome for outcome, _ in group])
            again = []
            for (outcome, recorded), result in zip(group, results, strict=True):
                if isinstance(result, TableUnavailable) and tries < TRIES and not self._outage:
                    again.append((outcome, recorded))
                elif isinstance(result, Exception):
                    recorded.set_exception(result)
                else:
                    recorded.set_result(result)
            if not again:
                return
            group = again
            # Full jitter ("Exponential Backoff And Jitter", AWS Architecture Blog).
            await asyncio.sleep(random.uniform(0, FIRST_BACKOFF_SECONDS * 2 ** (tries - 1)))  # noqa: S311  # no secret

    async def _call(self, outcomes: Sequence[Order]) -> Sequence[Order | Exception]:
        loop = asyncio.get_running_loop()

        def call() -> Sequence[Order | Exception]:
            if self._outage:  # do not wait for another connection that will fail
                raise self._outage
            if self._ends_at is not None and loop.time() > self._ends_at:
                raise OutOfTime
            try:
                return self._outcomes.record(outcomes)
            except TableUnreachable as error:
                self._outage = error
                raise

        try:
            return await loop.run_in_executor(self._threads, call)
        except Exception as error:  # noqa: BLE001  # every outcome of the call fails with it
            return [error] * len(outcomes)
