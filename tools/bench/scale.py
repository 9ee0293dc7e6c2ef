"""`npm run bench -- --scale`: how throughput, lag and cost grow from 1 to 10,000 orders a second.

Measured: orders of one shard, which come evenly, through the stream's event source mapping (local/stream_mapping, set
as in serverless.yml for prod) into as many environments of the real ProcessPayment as it has lanes.
Modelled: several shards. They share nothing but Lambda's concurrency, so each is like the one that was measured.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from queue import LifoQueue
from statistics import median
from typing import TYPE_CHECKING, Any, cast

from rich.progress import Progress
from rich.table import Table

from local import service
from local.stream_mapping import MappingSettings, StreamMapping
from tools.bench import cost
from tools.bench.environment import Environment
from tools.bench.results import duration, percentile
from tools.bench.stand import Stand

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

MEASURED = (1, 10, 100, 500, 1000)
MODELLED = (2_000, 5_000, 10_000)
# "Best practices for designing and using partition keys effectively" (Amazon DynamoDB Developer Guide): a partition,
# and so a shard of the stream, takes 1,000 writes a second; an order is two, its creation and its outcome.
ORDERS_OF_A_SHARD = 500
SECONDS = 10
PAGE = 1_000  # "GetRecords", Amazon DynamoDB API Reference
SHARD = "shardId-0"


@dataclass
class Shard:
    """A stream with one shard, whose records can be read from the moment each of them is due.

    It has the three calls of the streams' client that the mapping makes.
    """

    records: Sequence[Mapping[str, Any]]
    orders_a_second: float
    began: float = field(default_factory=time.time)

    def describe_stream(self, **_: str) -> dict[str, Any]:
        """One shard."""
        return {"StreamDescription": {"Shards": [{"ShardId": SHARD}]}}

    def get_shard_iterator(self, **_: str) -> dict[str, Any]:
        """An iterator is the number of records before it."""
        return {"ShardIterator": "0"}

    def get_records(self, **given: str) -> dict[str, Any]:
        """What is due by now."""
        start = int(given["ShardIterator"])
        due = min(int((time.time() - self.began) * self.orders_a_second) + 1, len(self.records), start + PAGE)
        page = [self._dated(number) for number in range(start, due)]
        return {"Records": page, "NextShardIterator": str(max(start, due))}

    def _dated(self, number: int) -> dict[str, Any]:
        record = dict(self.records[number])
        due_at = datetime.fromtimestamp(self.began + number / self.orders_a_second, UTC)
        record["dynamodb"] = record["dynamodb"] | {"ApproximateCreationDateTime": due_at}
        return record


@dataclass
class Run:
    """What became of the orders that came at one rate."""

    orders_a_second: float
    lags: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    billed_seconds: list[float] = field(default_factory=list)
    took: float = 0

    def last_lag(self) -> float:
        """Of the last tenth: where it is above the others', orders come faster than they are settled."""
        return median(self.lags[-max(len(self.lags) // 10, 1) :])

    def environments(self) -> float:
        """How many were at work, on average."""
        return sum(self.billed_seconds) / self.took


def measure(stand: Stand, progress: Progress) -> list[Table | str]:
    """The table, and what it says."""
    event = service.stream_event(stand.settings, "processPayment")
    settings = MappingSettings.from_event(event)
    lanes = settings.parallelization_factor
    with ExitStack() as context:
        environments: LifoQueue[Environment] = LifoQueue()
        for _ in progress.track(range(lanes), description="environments"):
            environment = context.enter_context(stand.function("process_payment"))
            environment.invoke(stand.batch(1))
            environments.put(environment)
        runs = [_run(stand, settings, environments, rate, progress) for rate in MEASURED]
    memory = int(stand.settings["functions"]["processPayment"]["memorySize"])
    return [_table(runs, memory), _summary(lanes)]


def _run(
    stand: Stand, settings: MappingSettings, environments: LifoQueue[Environment], rate: float, progress: Progress
) -> Run:
    size = ceil(rate * SECONDS)
    task = progress.add_task(f"{rate:,g} orders a second", total=size)
    records = [record for _ in range(0, size, PAGE) for record in stand.batch(min(size, PAGE))["Records"]][:size]
    run, stop, lock = Run(rate), threading.Event(), threading.Lock()

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        environment = environments.get()
        try:
            answer = environment.invoke(event)
        finally:
            environments.put(environment)
        now = time.time()
        with lock:
            run.lags += [now - record["dynamodb"]["ApproximateCreationDateTime"] for record in event["Records"]]
            run.batches.append(len(event["Records"]))
            run.billed_seconds.append(answer.seconds)
            progress.update(task, completed=len(run.lags))
            if len(run.lags) >= size:
                stop.set()
        return dict(answer.answer)

    shard = Shard(records, rate)
    StreamMapping(
        settings=settings,
        client=cast("DynamoDBStreamsClient", shard),
        stream_arn="arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/bench",
        function_arn="arn:aws:lambda:us-east-1:123456789012:function:processPayment",
        invoke=invoke,
        on_failure=lambda message: progress.print(str(message)),
    ).run(stop)
    run.took = time.time() - shard.began
    return run


def _table(runs: Sequence[Run], memory: int) -> Table:
    table = Table(title="How it grows", title_justify="left", title_style="bold")
    for name in (
        "orders a second",
        "shards",
        "lag p50",
        "lag p99",
        "last tenth",
        "orders a batch",
        "environments",
        "$ a million",
        "",
    ):
        table.add_column(name, justify="right")
    for run in runs:
        _add(table, run, 1, memory)
    shard = next(run for run in runs if run.orders_a_second == ORDERS_OF_A_SHARD)
    table.add_section()
    for rate in MODELLED:
        _add(table, shard, rate // ORDERS_OF_A_SHARD, memory)
    return table


def _add(table: Table, run: Run, shards: int, memory: int) -> None:
    gigabyte_seconds = sum(run.billed_seconds) * memory / 1024
    dollars = gigabyte_seconds * cost.LAMBDA_GIGABYTE_SECOND + len(run.batches) * cost.LAMBDA_REQUEST
    table.add_row(
        f"{run.orders_a_second * shards:,g}",
        f"{shards}",
        duration(median(run.lags)),
        duration(percentile(run.lags, 99)),
        duration(run.last_lag()),
        f"{len(run.lags) / len(run.batches):,.1f}",
        f"{run.environments() * shards:,.1f}",
        f"{dollars / len(run.lags) * cost.MILLION:.2f}",
        "measured" if shards == 1 else "modelled",
    )


def _summary(lanes: int) -> str:
    return (
        "Lag: from the write to the outcome, the payment's time included; of the last tenth too, where it shows whether"
        " it grows.\nEnvironments: at work, on average. Dollars: ProcessPayment's on Lambda.\n"
        f"Measured: for {SECONDS} s each, with {lanes} lanes, on this machine's cores, which DynamoDB Local shares.\n"
        f"Modelled: as many shards as the writes need ({ORDERS_OF_A_SHARD} orders a second each), each as measured."
    )
