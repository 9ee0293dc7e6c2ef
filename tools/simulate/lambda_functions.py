"""Lambda: execution environments with a module of their own, invocations that end, time out or are killed."""

import importlib.util
import inspect
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from local.stream_mapping import FunctionError, FunctionNotInvoked
from tools.simulate.faults import Faults
from tools.simulate.virtual_time import Process, VirtualThread, VirtualTime

COLD_START_SECONDS = 0.8

Crash = Callable[[str], None]
Event = dict[str, Any]


@dataclass(eq=False)
class Invocation(Process):
    """One invocation, and what it has reported: the orders of its log lines by message, and its metrics."""

    function: str = ""
    caller: VirtualThread | None = None
    response: Any = None
    error: Exception | None = None
    is_done: bool = False
    reports: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str
    virtual_time: VirtualTime
    ends_at: float
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:simulated"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends_at - self.virtual_time.now) * 1000)


class Lambda:
    """All functions' running invocations."""

    def __init__(self, virtual_time: VirtualTime, faults: Faults) -> None:
        self.virtual_time = virtual_time
        self.faults = faults
        self.running: dict[Invocation, None] = {}

    def crash(self, fault: str) -> None:
        """Kill the invocation that calls this, if the fault occurs; or end it, if it was killed before."""
        self.virtual_time.go_on()
        process = self.virtual_time.current.process
        if isinstance(process, Invocation) and self.faults.occurs(fault):
            self.kill(process)
            self.virtual_time.go_on()

    def kill(self, invocation: Invocation) -> None:
        """End an invocation where it is."""
        self.virtual_time.kill(invocation)
        if invocation.caller:
            self.virtual_time.wake(invocation.caller)

    def deploy(self) -> None:
        """Kill all invocations."""
        for invocation in list(self.running):
            self.kill(invocation)


class Function:
    """A function of the service. Each of its environments serves one invocation at a time, as in Lambda."""

    _numbers = itertools.count(1)

    def __init__(
        self, lambda_: Lambda, module: str, timeout_seconds: float, ended: Callable[[Invocation], None]
    ) -> None:
        self._lambda = lambda_
        self._module = module
        self._timeout_seconds = timeout_seconds
        self._ended = ended
        self._idle: list[ModuleType] = []

    def invoke(self, event: Event) -> Any:  # noqa: ANN401  # whatever the handler returns
        """Invoke the function, and wait for its response.

        Raises
        ------
        FunctionError
            It raised, timed out or was killed.
        FunctionNotInvoked
        """
        virtual_time = self._lambda.virtual_time
        if self._lambda.faults.occurs("function not invoked"):
            raise FunctionNotInvoked("throttled")
        if self._idle:
            environment = self._idle.pop()
        else:
            environment = self._load()
            virtual_time.sleep(COLD_START_SECONDS)
        ends_at = virtual_time.now + self._timeout_seconds
        context = Context(self._module, virtual_time, ends_at)
        invocation = Invocation(function=self._module, caller=virtual_time.current)
        self._lambda.running[invocation] = None
        virtual_time.start(lambda: self._run(environment, invocation, event, context), invocation)
        while not invocation.is_done and not invocation.is_killed and virtual_time.now < ends_at:
            virtual_time.wait(ends_at)
        del self._lambda.running[invocation]
        if not invocation.is_done:
            reason = "killed" if invocation.is_killed else "timed out"
            self._lambda.faults.counts[f"invocation {reason}"] += 1
            virtual_time.kill(invocation)
        self._ended(invocation)
        if not invocation.is_done:
            raise FunctionError(reason)
        self._idle.append(environment)
        if invocation.error:
            self._lambda.faults.counts["invocation failed"] += 1
            raise FunctionError(repr(invocation.error)) from invocation.error
        return invocation.response

    def _run(self, environment: ModuleType, invocation: Invocation, event: Event, context: Context) -> None:
        # Without Powertools' decorators, whose loggers, metrics and traces are one for all environments of a process.
        handler = inspect.unwrap(environment.lambda_handler)
        try:
            invocation.response = handler(event, context)
        except Exception as error:  # noqa: BLE001  # Lambda reports it to whoever has invoked the function
            invocation.error = error
        invocation.is_done = True
        if invocation.caller:
            self._lambda.virtual_time.wake(invocation.caller)

    def _load(self) -> ModuleType:
        """Import the function's module anew."""
        found = importlib.util.find_spec(f"functions.{self._module}")
        if found is None or found.origin is None:
            raise ModuleNotFoundError(self._module)
        name = f"{self._module}_{next(self._numbers)}"
        spec = importlib.util.spec_from_file_location(name, found.origin)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(self._module)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # pydantic looks its models' module up
        try:
            spec.loader.exec_module(module)
        finally:
            del sys.modules[name]
        return module
