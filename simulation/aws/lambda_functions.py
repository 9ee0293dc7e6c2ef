"""Lambda: execution environments with a module of their own, invocations that end, time out or are killed."""

import importlib.util
import inspect
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from local.stream_mapping import FunctionError, FunctionNotInvoked
from simulation.injected_failures import Faults
from simulation.virtual.time import Killed, Process, VirtualTime

COLD_START_SECONDS = 0.8

Crash = Callable[[str], None]
Event = dict[str, Any]


@dataclass(eq=False)
class Invocation(Process):
    """One invocation, and what it has reported: message, order_id and status of its log lines, and its metrics."""

    reports: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


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
            self.virtual_time.kill(process)
            self.virtual_time.go_on()

    def deploy(self) -> None:
        """Kill all invocations."""
        for invocation in list(self.running):
            self.virtual_time.kill(invocation)


class Function:
    """A function of the service. Each of its environments serves one invocation at a time, as in Lambda."""

    def __init__(
        self, lambda_: Lambda, module: str, timeout_seconds: float, ended: Callable[[Invocation], None]
    ) -> None:
        self._lambda = lambda_
        self._spec = cast("ModuleSpec", importlib.util.find_spec(f"functions.{module}"))
        self._timeout_seconds = timeout_seconds
        self._ended = ended
        self._idle: list[ModuleType] = []
        self._loaded: list[ModuleType] = []

    def invoke(self, event: Event) -> Any:  # noqa: ANN401  # whatever the handler returns
        """Invoke the function, and wait for its response.

        Raises
        ------
        FunctionError
            It raised, timed out or was killed.
        FunctionNotInvoked
        """
        counts = self._lambda.faults.counts
        if self._lambda.faults.occurs("function not invoked"):
            raise FunctionNotInvoked("throttled")
        environment = self._idle.pop() if self._idle else self._load()
        invocation = Invocation(ends_at=self._lambda.virtual_time.now + self._timeout_seconds)
        self._lambda.running[invocation] = None
        try:
            with self._lambda.virtual_time.inside(invocation):
                response = self._handle(environment, event, invocation)
        except Killed:
            reason = "killed" if invocation.is_killed else "timed out"
            counts[f"invocation {reason}"] += 1
            invocation.is_killed = True
            raise FunctionError(reason) from None
        except Exception as error:
            counts["invocation failed"] += 1
            self._idle.append(environment)
            raise FunctionError(repr(error)) from error
        finally:
            del self._lambda.running[invocation]
            if not invocation.is_killed:
                self._ended(invocation)
        self._idle.append(environment)
        return response

    def close(self) -> None:
        """Let the environments be freed: the garbage collector does not see what a pydantic error refers to."""
        for module in self._loaded:
            if hasattr(module, "processor"):
                module.processor.exceptions.clear()

    def _handle(self, environment: ModuleType, event: Event, invocation: Invocation) -> Any:  # noqa: ANN401
        # Without Powertools' decorators, whose loggers, metrics and traces are one for all environments of a process.
        handler = inspect.unwrap(environment.lambda_handler)
        return handler(
            event, SimpleNamespace(get_remaining_time_in_millis=lambda: self._milliseconds_to(invocation.ends_at))
        )

    def _milliseconds_to(self, time: float) -> int:
        return int((time - self._lambda.virtual_time.now) * 1000)

    def _load(self) -> ModuleType:
        """Start an environment: import the function's module anew."""
        self._lambda.virtual_time.sleep(COLD_START_SECONDS)
        module = importlib.util.module_from_spec(self._spec)
        cast("Loader", self._spec.loader).exec_module(module)
        self._loaded.append(module)
        return module
