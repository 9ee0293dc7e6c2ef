"""Threads in virtual time: one runs at a time, in a fixed order, and time passes only while all of them wait.

So any code can wait, whether it knows asyncio or not; a thread that waits for an hour costs microseconds; and the same
program takes the same course each time.
"""

import heapq
import itertools
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


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
    """A thread, which runs once `turn` is released."""

    process: Process
    work: Callable[[], None] | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)
    # The number of the entry in the queue that wakes it, while it waits for one.
    entry: int | None = None
    is_waiting: bool = False

    def __post_init__(self) -> None:
        self.turn.acquire()


class VirtualTime:
    """The scheduler. `now` is in seconds since the start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._main = self.current = VirtualThread(Process())
        self._queue: list[tuple[float, int, VirtualThread]] = []
        self._numbers = itertools.count()
        self._busy: dict[VirtualThread, None] = {}
        self._idle: list[VirtualThread] = []
        self._threads: list[threading.Thread] = []
        self._error: BaseException | None = None
        self._is_over = False

    def start(self, work: Callable[[], None], process: Process | None = None, *, after: float = 0) -> None:
        """Have a thread do some work, in the process of the caller unless another is given."""
        thread = self._idle.pop() if self._idle else self._new_thread()
        thread.process, thread.work = process or self.current.process, work
        self._busy[thread] = None
        self._wake_at(self.now + after, thread)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.wait(self.now + seconds)

    def wait(self, until: float = math.inf) -> None:
        """Wait until then, or until the thread is woken."""
        self.go_on()
        thread = self.current
        thread.is_waiting = True
        until = min(until, thread.process.ends_at)
        if until < math.inf:
            self._wake_at(until, thread)
        self._pass_on(thread)
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
        for thread in self._busy:
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
        self._pass_on(self._main)
        if self._error:
            raise self._error

    def close(self) -> None:
        """End all threads."""
        self._is_over = True
        self._queue.clear()
        while self._busy:  # also those that a thread starts as it ends
            thread = next(iter(self._busy))
            thread.process.is_killed = True
            self.current = thread
            thread.turn.release()
            self._main.turn.acquire()
        for thread in self._idle:
            thread.work = None
            thread.turn.release()
        for each in self._threads:
            each.join()

    def _new_thread(self) -> VirtualThread:
        thread = VirtualThread(self._main.process)
        self._threads.append(threading.Thread(target=self._live, args=[thread], daemon=True))
        self._threads[-1].start()
        return thread

    def _live(self, thread: VirtualThread) -> None:
        while True:
            thread.turn.acquire()
            if thread.work is None:
                return
            try:
                self.go_on()
                thread.work()
            except Killed:
                pass
            except BaseException as error:  # noqa: BLE001  # the main thread raises it
                self.fail(error)
            del self._busy[thread]
            self._idle.append(thread)
            self._next().turn.release()

    def _wake_at(self, time: float, thread: VirtualThread) -> None:
        thread.entry = next(self._numbers)
        heapq.heappush(self._queue, (time, thread.entry, thread))

    def _pass_on(self, thread: VirtualThread) -> None:
        """Let others run until it is the thread's turn again."""
        following = self._next()
        if following is not thread:
            following.turn.release()
            thread.turn.acquire()

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
