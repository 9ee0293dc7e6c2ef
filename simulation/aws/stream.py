"""The table's stream and its event source mapping, by the rules of local/stream_mapping."""

import random
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from local.stream_mapping import Invoke, MappingSettings
from local.stream_mapping.delivery import Batch, Delivery
from local.stream_mapping.records import Record, created_at, is_wanted, lane_of, sequence_number, to_lambda_record
from simulation.aws.update_statement import Item
from simulation.injected_failures import InjectedFailures
from simulation.plan import ALL_OFF, RETENTION, STREAM_OFF
from simulation.promises.history import EPOCH, to_time
from simulation.virtual.time import VirtualThread, VirtualTime

RECORDS_PER_READ = 1_000
PAUSE_WHILE_OFF = 60
STREAM_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"


class Queue[T]:
    """Things that one thread waits for."""

    def __init__(self, virtual_time: VirtualTime) -> None:
        self._virtual_time = virtual_time
        self._things: deque[T] = deque()
        self._waiting: VirtualThread | None = None

    def __len__(self) -> int:
        return len(self._things)

    def put(self, thing: T) -> None:
        self._things.append(thing)
        if self._waiting:
            self._virtual_time.wake(self._waiting)

    def take(self, most: int) -> list[T]:
        """Return what is there, once something is."""
        self._waiting = self._virtual_time.current
        while not self._things:
            self._virtual_time.wait()
        self._waiting = None
        return [self._things.popleft() for _ in range(min(most, len(self._things)))]


class Shard:
    """One shard of the stream, read and delivered in the lanes of the mapping."""

    def __init__(
        self,
        virtual_time: VirtualTime,
        failures: InjectedFailures,
        settings: MappingSettings,
        invoke: Invoke,
        chance: random.Random,
    ) -> None:
        self.given_up = 0
        self.records: list[Record] = []  # all that there ever were
        self.deliveries = Counter[str]()
        self._virtual_time = virtual_time
        self._failures = failures
        self._settings = settings
        self._invoke = invoke
        self._chance = chance
        self._written = Queue[Record](virtual_time)
        self._lanes = [Queue[Record](virtual_time) for _ in range(settings.parallelization_factor)]
        virtual_time.start(self._read)
        for lane in self._lanes:
            virtual_time.start(self._worker(lane))

    @property
    def waiting(self) -> int:
        """How many records are yet to be delivered."""
        return len(self._written) + sum(len(lane) for lane in self._lanes)

    def add(self, item: Item, number: int) -> None:
        """Write the record of an item that was inserted."""
        record = to_lambda_record(a_stream_record(item, f"{number:021d}", to_time(self._virtual_time.now)), STREAM_ARN)
        self.records.append(record)
        self._written.put(record)

    def invoke(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """Deliver records."""
        response = self._invoke(event)
        self.deliveries.update(sequence_number(record) for record in event["Records"])
        return response

    def _read(self) -> None:
        while True:
            records = self._written.take(RECORDS_PER_READ)
            self._virtual_time.sleep(self._chance.uniform(0.05, 0.3))
            while self._failures.phase.kind in {ALL_OFF, STREAM_OFF}:
                self._virtual_time.sleep(PAUSE_WHILE_OFF)
            for record in records:
                if self._now() - created_at(record) > RETENTION:
                    self._failures.counts["record trimmed"] += 1
                elif is_wanted(record, self._settings.filter_patterns):
                    self._lanes[lane_of(record, len(self._lanes))].put(record)

    def _worker(self, lane: Queue[Record]) -> Callable[[], None]:
        delivery = Delivery(self._settings, self.invoke, self._give_up, self._virtual_time.sleep)

        def work() -> None:
            while True:
                records = lane.take(self._settings.batch_size)
                delivery.deliver(records)
                if self._failures.occurs("batch delivered again"):
                    delivery.deliver(records)

        return work

    def _give_up(self, batch: Batch) -> None:
        self.given_up += len(batch.records)

    def _now(self) -> float:
        return EPOCH.timestamp() + self._virtual_time.now


def a_stream_record(
    item: dict[str, Any], sequence_number: str, time: datetime, event_name: str = "INSERT"
) -> dict[str, Any]:
    """A record of the table's stream, as boto3 returns it."""
    return {
        "eventID": f"event-{sequence_number}",
        "eventName": event_name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": time,
            "Keys": {"order_id": item["order_id"]},
            "NewImage": dict(item),
            "SequenceNumber": sequence_number,
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
    }
