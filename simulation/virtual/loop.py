"""What asyncio needs to run in virtual time: an event loop, and an executor for blocking calls."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from simulation.virtual.time import VirtualThread, VirtualTime

# The loop takes timers that are due within it: sums of floats are not exact.
CLOCK_RESOLUTION_SECONDS = 1e-6
THREADS = 5  # of asyncio.to_thread: min(32, cpu_count + 4)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose clock, and whose waiting, are virtual. It serves no sockets."""

    def __init__(self, virtual_time: VirtualTime) -> None:
        super().__init__()
        self._virtual_time = virtual_time
        self._clock_resolution = CLOCK_RESOLUTION_SECONDS
        self._selector = self
        self._waiting: VirtualThread | None = None
        self._process = virtual_time.current.process
        self._default_executor = VirtualExecutor(virtual_time, THREADS)

    def time(self) -> float:
        return self._virtual_time.now

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait until the next timer is due, or another thread has something for this loop."""
        self._process = self._virtual_time.current.process
        if timeout is not None and timeout <= 0:
            return ()
        self._waiting = self._virtual_time.current
        self._virtual_time.wait(math.inf if timeout is None else self.time() + timeout)
        self._waiting = None
        return ()

    def _process_events(self, events: tuple[()]) -> None:
        """Do nothing: without sockets there are no events."""

    def _write_to_self(self) -> None:
        """End the waiting; asyncio calls this when another thread has added something."""
        if self._waiting:
            self._virtual_time.wake(self._waiting)

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109  # asyncio's signature
        """Wait for the executor's work, without the real thread that asyncio starts for this."""
        self._default_executor.shutdown()

    def close(self) -> None:
        """Close the loop; that of a killed process stays as it is, since what is left of its tasks refers to it."""
        if not self._process.has_ended(self.time()):
            super().close()

    def __del__(self) -> None:
        """Do not warn of a loop that was left open."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Fail for what asyncio would only log, unless it is what a killed process has left behind."""
        if not self._process.has_ended(self.time()):
            self._virtual_time.fail(context.get("exception") or RuntimeError(context["message"]))


class VirtualLoopPolicy(asyncio.DefaultEventLoopPolicy):
    """Has asyncio make VirtualLoops."""

    def __init__(self, virtual_time: VirtualTime) -> None:
        super().__init__()
        self._virtual_time = virtual_time

    def new_event_loop(self) -> VirtualLoop:
        return VirtualLoop(self._virtual_time)


class VirtualExecutor(Executor):
    """A ThreadPoolExecutor in virtual time."""

    def __init__(self, virtual_time: VirtualTime, max_workers: int) -> None:
        self._virtual_time = virtual_time
        self._free = self._workers = max_workers
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._closing: VirtualThread | None = None

    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        self._waiting.append((future, lambda: fn(*args, **kwargs)))
        if self._free:
            self._free -= 1
            self._virtual_time.start(self._work)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # the signature is Executor's
        """Wait until all work is done."""
        self._closing = self._virtual_time.current
        while self._free < self._workers:
            self._virtual_time.wait()

    def _work(self) -> None:
        while self._waiting:
            future, call = self._waiting.popleft()
            try:
                future.set_result(call())
            except Exception as error:  # noqa: BLE001  # the future carries it
                future.set_exception(error)
        self._free += 1
        if self._closing:
            self._virtual_time.wake(self._closing)
