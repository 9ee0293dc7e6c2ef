"""Threads in virtual time: one runs at a time, in a fixed order, and time passes only while all of them wait.

So any code can wait, whether it knows asyncio or not; a thread that waits for an hour costs microseconds; and the same
program takes the same course each time. The threads are greenlets: to change from one to another needs no system call.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The thread's process was killed. Not an Exception: no code may handle it and go on."""


@dataclass(eq=False)
class Process:
    """Threads that end together: when the process is killed, or its time is over."""

    ends_at: float = math.inf
    is_killed: bool = False

    def has_ended(self, now: float) -> bool:
        """Whether its threads do nothing any more."""
        return self.is_killed or now >= self.ends_at


@dataclass(eq=False)
class VirtualThread:
    """A thread. While it waits, `entry` is the number of the entry in the queue that wakes it."""

    process: Process
    greenlet: greenlet = field(default_factory=getcurrent)
    entry: int | None = None
    is_waiting: bool = False


class VirtualTime:
    """The scheduler. `now` is in seconds since the start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._main = self.current = VirtualThread(Process())
        self._queue: list[tuple[float, int, VirtualThread]] = []
        self._numbers = itertools.count()
        self._alive: dict[VirtualThread, None] = {}
        self._error: BaseException | None = None
        self._is_over = False

    def start(self, work: Callable[[], object], process: Process | None = None, *, after: float = 0) -> None:
        """Have a thread do some work, in the process of the caller unless another is given."""
        thread = VirtualThread(process or self.current.process)
        thread.greenlet = greenlet(lambda: self._live(thread, work), self._main.greenlet)
        self._alive[thread] = None
        self._wake_at(self.now + after, thread)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        is_next = not self._queue or until < self._queue[0][0]
        if is_next and until < self.current.process.ends_at and not self._error:
            self.go_on()
            self.now = until
        else:
            self.wait(until)

    def wait(self, until: float = math.inf) -> None:
        """Wait until then, or until the thread is woken."""
        self.go_on()
        thread = self.current
        thread.is_waiting = True
        until = min(until, thread.process.ends_at)
        if until < math.inf:
            self._wake_at(until, thread)
        following = self._next()
        if following is not thread:
            self._change_to(following)
        self.go_on()

    def wake(self, thread: VirtualThread) -> None:
        """End a thread's waiting; does nothing if it does not wait."""
        if thread.is_waiting:
            self._wake_at(self.now, thread)

    def go_on(self) -> None:
        """Raise Killed if the calling thread's process has ended: it has no effect on the world any more."""
        if self._is_over or self.current.process.has_ended(self.now):
            raise Killed

    def kill(self, process: Process) -> None:
        """End a process: its threads get no further than where they wait."""
        process.is_killed = True
        for thread in self._alive:
            if thread.process is process:
                self.wake(thread)

    def fail(self, error: BaseException) -> None:
        """Have `run` raise an error, when the calling thread next waits."""
        if not self._is_over:
            self._error = self._error or error

    @contextmanager
    def inside(self, process: Process) -> Iterator[None]:
        """Have the calling thread belong to a process, while the context lasts."""
        thread = self.current
        outside, thread.process = thread.process, process
        try:
            yield
        except Killed:
            thread.process = outside
            self.go_on()  # all is over
            raise
        finally:
            thread.process = outside

    def run(self) -> None:
        """Let all threads run until none has anything left to do, or one fails, whose error this raises."""
        self._run_others()
        if self._error:
            raise self._error

    def close(self) -> None:
        """End all threads."""
        self._is_over = True
        while self._alive:  # also those that a thread starts as it ends
            thread = self.current = next(iter(self._alive))
            thread.process.is_killed = True
            self._change_to(thread)

    def _run_others(self) -> None:
        """Run threads until it is the main thread's turn again; a thread that ends comes back here."""
        while (following := self._next()) is not self._main:
            self._change_to(following)

    def _live(self, thread: VirtualThread, work: Callable[[], object]) -> None:
        try:
            self.go_on()
            work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001  # the main thread raises it
            self.fail(error)
        finally:
            del self._alive[thread]

    def _wake_at(self, time: float, thread: VirtualThread) -> None:
        thread.entry = next(self._numbers)
        heapq.heappush(self._queue, (time, thread.entry, thread))

    @staticmethod
    def _change_to(following: VirtualThread) -> None:
        # asyncio keeps the running loop for the whole of the operating system's thread.
        running_loop = asyncio._get_running_loop()  # noqa: SLF001  # "for the use of those that implement loops"
        asyncio._set_running_loop(None)  # noqa: SLF001
        following.greenlet.switch()
        asyncio._set_running_loop(running_loop)  # noqa: SLF001

    def _next(self) -> VirtualThread:
        """Choose who runs next, and move the time on to then."""
        self.current = self._main
        while self._queue and not self._error and not self._is_over:
            time, entry, thread = heapq.heappop(self._queue)
            if thread.entry == entry:  # not woken otherwise meanwhile
                self.now = max(self.now, time)
                thread.entry, thread.is_waiting = None, False
                self.current = thread
                break
        return self.current
