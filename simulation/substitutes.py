"""Puts the simulated world in place of the clock, chance, AWS and the payment provider, for all of the service."""

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID

import boto3

from shared import clock, observability, order, outcome_writer, payment
from shared.order import Order
from shared.retry_schedule import RetrySchedule, Step
from simulation.aws.lambda_functions import Invocation
from simulation.aws.unreliable_dynamodb import UnreliableDynamoDB
from simulation.promises.history import to_time
from simulation.provider import Provider
from simulation.virtual.loop import VirtualExecutor, VirtualLoopPolicy
from simulation.virtual.time import VirtualTime


@contextmanager
def substituted(
    virtual_time: VirtualTime,
    variables: Mapping[str, str],
    client: UnreliableDynamoDB,
    provider: Provider,
    chance: random.Random,
    attempts: Counter[str],
) -> Iterator[None]:
    """Let the service run in the simulated world, while the context lasts."""
    log, local = logging.getLogger(observability.logger.name), logging.getLogger("local")
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(asyncio.set_event_loop_policy, asyncio.get_event_loop_policy())
        stack.callback(local.setLevel, local.level)
        random.seed(chance.random())
        asyncio.set_event_loop_policy(VirtualLoopPolicy(virtual_time))
        local.setLevel(logging.CRITICAL)  # the mapping's warnings
        stack.enter_context(patch.dict(os.environ, variables))
        for target, name, substitute in (
            (log, "handlers", [_Reports(virtual_time)]),
            (log, "propagate", False),
            (clock, "now", lambda: to_time(virtual_time.now)),
            (clock, "sleep", virtual_time.sleep),
            (boto3, "client", lambda service, **_: client if service == "dynamodb" else None),
            (payment, "payment_provider", lambda _settings: provider),
            (sys, "unraisablehook", _unless_killed(sys.unraisablehook)),
            (signal, "default_int_handler", None),  # or asyncio.Runner puts its own in its place, and back out of turn
            (outcome_writer, "ThreadPoolExecutor", lambda max_workers: VirtualExecutor(virtual_time, max_workers)),
            (RetrySchedule, "next_step", _counted(RetrySchedule.next_step, attempts)),
            (order, "uuid4", lambda: UUID(int=chance.getrandbits(128), version=4)),
            (observability.metrics, "add_metric", _metrics(virtual_time)),
        ):
            stack.enter_context(patch.object(target, name, substitute))
        yield
        gc.collect()  # the next world needs the memory


def _unless_killed(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """Do not report what the coroutines of a killed process do in their last moment, as Python frees them."""
    return lambda unraisable: None if asyncio.iscoroutine(unraisable.object) else hook(unraisable)


def _counted(
    next_step: Callable[[RetrySchedule, Order, datetime], Step], attempts: Counter[str]
) -> Callable[[RetrySchedule, Order, datetime], Step]:
    """Count the steps of the schedule."""

    def counted(schedule: RetrySchedule, order: Order, now: datetime) -> Step:
        step = next_step(schedule, order, now)
        attempts[f"step {step.name}"] += 1
        return step

    return counted


def _metrics(virtual_time: VirtualTime) -> Callable[..., None]:
    """Keep what an invocation counts."""

    def add_metric(name: str, unit: object, value: float) -> None:  # noqa: ARG001  # Powertools' signature
        process = virtual_time.current.process
        if isinstance(process, Invocation):
            process.metrics[name].append(value)

    return add_metric


class _Reports(logging.Handler):
    """Keeps what an invocation logs about orders."""

    def __init__(self, virtual_time: VirtualTime) -> None:
        super().__init__()
        self._time = virtual_time

    def emit(self, record: logging.LogRecord) -> None:
        process = self._time.current.process
        if isinstance(process, Invocation) and hasattr(record, "order_id"):
            process.reports.append((record.getMessage(), record.order_id, str(getattr(record, "status", ""))))
