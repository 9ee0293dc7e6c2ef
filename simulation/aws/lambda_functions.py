"""Lambda: execution environments with a module of their own, invocations that end, time out or are killed."""

import importlib.util
import inspect
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any, cast

from local.stream_mapping import FunctionError, FunctionNotInvoked
from shared.order_table import TableUnavailable
from simulation.aws.settings import FunctionSettings
from simulation.injected_failures import InjectedFailures
from simulation.virtual.time import Killed, Process, VirtualTime

COLD_START_SECONDS = 0.8
# CPU time at 1 vCPU, from `npm run bench`: of an attempt to pay, an entry of the index and an item that was read.
ATTEMPT_CPU_SECONDS = {"process_payment": 0.58e-3, "recover_orders": 1.0e-3}
ENTRY_CPU_SECONDS = 0.02e-3
ITEM_CPU_SECONDS = 0.1e-3

Event = dict[str, Any]


@dataclass(eq=False)
class Invocation(Process):
    """One invocation, and what it has done.

    `reports` are the message, order_id and status of its log lines. `is_due` says of each order that it has read
    whether it was due, `calls` are those of the payment provider.
    """

    function: str = ""
    started_at: float = 0
    vcpus: float = 1
    busy_until: float = 0
    has_timed_out: bool = False
    reports: list[tuple[str, str, str]] = field(default_factory=list)
    metrics: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    is_due: dict[str, bool] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)


class Lambda:
    """All functions' running invocations."""

    def __init__(self, virtual_time: VirtualTime, failures: InjectedFailures) -> None:
        self.virtual_time = virtual_time
        self.failures = failures
        self.running: dict[Invocation, None] = {}

    @property
    def invocation(self) -> Invocation:
        """The invocation that calls this."""
        return cast("Invocation", self.virtual_time.current.process)

    def crash(self, failure: str) -> None:
        """Kill the invocation that calls this, if the failure occurs; or end it, if it was killed before."""
        self.virtual_time.go_on()
        if self.failures.occurs(failure):
            self.virtual_time.kill(self.invocation)
            self.virtual_time.go_on()

    def work(self, cpu_seconds: float) -> None:
        """Let the time pass that the invocation which calls this needs to work: all its threads share one processor."""
        if cpu_seconds:
            invocation = self.invocation
            start = max(self.virtual_time.now, invocation.busy_until)
            invocation.busy_until = start + cpu_seconds / invocation.vcpus
            self.virtual_time.wait(invocation.busy_until)

    def deploy(self) -> None:
        """Kill all invocations."""
        for invocation in list(self.running):
            self.virtual_time.kill(invocation)


class Function:
    """A function of the service. Each of its environments serves one invocation at a time, as in Lambda."""

    def __init__(
        self, lambda_: Lambda, module: str, settings: FunctionSettings, ended: Callable[[Invocation], None]
    ) -> None:
        self._lambda = lambda_
        self._module = module
        self._spec = cast("ModuleSpec", importlib.util.find_spec(f"functions.{module}"))
        self._settings = settings
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
        failures = self._lambda.failures
        if failures.occurs("function not invoked"):
            raise FunctionNotInvoked("throttled")
        environment = self._idle.pop() if self._idle else self._load()
        now = self._lambda.virtual_time.now
        ends_at = now + self._settings.timeout_seconds
        invocation = Invocation(ends_at, function=self._module, started_at=now, vcpus=self._settings.vcpus)
        self._lambda.running[invocation] = None
        try:
            with self._lambda.virtual_time.inside(invocation):
                response = self._handle(environment, event, invocation)
        except Killed:
            reason = "killed" if invocation.is_killed else "timed out"
            failures.counts[f"invocation {reason}"] += 1
            invocation.has_timed_out = not invocation.is_killed
            invocation.is_killed = True
            raise FunctionError(reason) from None
        except TableUnavailable as error:
            failures.counts["invocation failed"] += 1
            self._idle.append(environment)
            raise FunctionError(repr(error)) from error
        except Exception as error:
            self._lambda.virtual_time.fail(error)
            raise
        finally:
            del self._lambda.running[invocation]
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
