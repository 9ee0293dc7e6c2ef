"""Puts the simulated world in place of the clock, chance, AWS and the payment provider, for all of the service."""

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from unittest.mock import patch
from uuid import UUID

import boto3

from shared import clock, observability, order, outcome_writer, payment
from simulation.aws.lambda_functions import Invocation
from simulation.aws.unreliable_dynamodb import UnreliableDynamoDB
from simulation.promises import to_time
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
            (boto3, "client", lambda service, **_: client if service == "dynamodb" else None),
            (payment, "payment_provider", lambda _settings: provider),
            (signal, "default_int_handler", None),  # or asyncio.Runner puts its own in its place, and back out of turn
            (outcome_writer, "ThreadPoolExecutor", lambda max_workers: VirtualExecutor(virtual_time, max_workers)),
            (order, "uuid4", lambda: UUID(int=chance.getrandbits(128), version=4)),
            (observability.metrics, "add_metric", _metrics(virtual_time)),
        ):
            stack.enter_context(patch.object(target, name, substitute))
        yield


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
