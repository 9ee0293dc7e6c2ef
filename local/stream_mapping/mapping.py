"""Follows the shards of a DynamoDB stream and has their records delivered, each shard in its lanes."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping.delivery import Batch, Delivery
from local.stream_mapping.events import MappingEvent, OnEvent
from local.stream_mapping.failure_message import failure_message
from local.stream_mapping.lane import Lane
from local.stream_mapping.records import Record, is_wanted, lane_of
from local.stream_mapping.settings import MappingSettings
from local.stream_mapping.shard import Outage, Pause, Shard

# Invokes the function with an event, for a lane of this number.
InvokeInLane = Callable[[dict[str, Any], int], dict[str, Any] | None]

DISCOVERY_SECONDS = 0.5  # DynamoDB Local begins a new shard every few hours
MOST_SHARDS = 1_000  # at once; a thread exists only for a shard that is being read


class _Stopping(BaseException):
    """The mapping ends, and leaves its batch undelivered. Not an Exception: that would count as a failed invocation."""


@contextmanager
def _ending_all(stop: threading.Event) -> Iterator[None]:
    """An error of one thread ends all of them."""
    try:
        yield
    except BaseException:
        stop.set()
        raise


@dataclass(frozen=True, kw_only=True)
class StreamMapping:
    """An event source mapping of one stream to one function, as in https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.

    Its position in the stream is kept in memory only. The next run starts at TRIM_HORIZON again and delivers every
    record again: as in AWS, delivery is at least once, and the function must be idempotent.
    """

    settings: MappingSettings
    client: DynamoDBStreamsClient
    stream_arn: str
    function_arn: str
    invoke: InvokeInLane
    on_failure: Callable[[dict[str, Any]], None]
    on_event: OnEvent
    pause: Pause = threading.Event.wait

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set; then return when the invocations under way have ended, with no thread left.

        An error of the mapping itself ends it too: it sets `stop` and is raised.
        """
        shards: dict[str, Shard] = {}
        readings: dict[str, Future[None]] = {}
        outage = Outage(self.on_event)
        with ThreadPoolExecutor(MOST_SHARDS, "shard") as threads, _ending_all(stop):
            while not stop.is_set():
                try:
                    parents = self._shards_and_parents()
                except Exception as error:  # noqa: BLE001  # no error of a read may end the mapping
                    self.pause(stop, outage.goes_on(error))
                    continue
                outage.is_over()
                for shard_id in parents.keys() - shards.keys():
                    shards[shard_id] = Shard(
                        shard_id=shard_id,
                        stream_arn=self.stream_arn,
                        client=self.client,
                        outage=outage,
                        pause=self.pause,
                        on_event=self.on_event,
                    )
                for shard in shards.values():
                    shard.is_listed = shard.shard_id in parents
                for shard_id in _ready(parents, readings):
                    readings[shard_id] = threads.submit(self._follow, shards[shard_id], stop)
                self.pause(stop, DISCOVERY_SECONDS)
        for reading in readings.values():
            reading.result()

    def _shards_and_parents(self) -> dict[str, str | None]:
        # The first page has up to 100 shards, and DynamoDB Local begins a new one only every few hours.
        description = self.client.describe_stream(StreamArn=self.stream_arn)["StreamDescription"]
        return {shard["ShardId"]: shard.get("ParentShardId") for shard in description["Shards"]}

    def _follow(self, shard: Shard, stop: threading.Event) -> None:
        """Read a shard to its end and return when all that was read is delivered."""
        lanes = [Lane() for _ in range(self.settings.parallelization_factor)]
        with ThreadPoolExecutor(len(lanes), "lane") as threads, _ending_all(stop):
            workers = [threads.submit(self._work, shard.shard_id, *lane, stop) for lane in enumerate(lanes)]
            try:
                for records in shard.reads(stop):
                    shares: list[list[Record]] = [[] for _ in lanes]
                    for record in records:
                        if is_wanted(record, self.settings.filter_patterns):
                            shares[lane_of(record, len(lanes))].append(record)
                    for lane, share in zip(lanes, shares, strict=True):
                        if share:
                            lane.put(share)
            finally:
                for lane in lanes:
                    lane.close()
        for worker in workers:
            worker.result()

    def _work(self, shard_id: str, number: int, lane: Lane, stop: threading.Event) -> None:
        """Deliver what comes into a lane until it is closed."""

        def go_on() -> None:
            if stop.is_set():
                raise _Stopping

        def wait(seconds: float) -> None:
            self.pause(stop, seconds)
            go_on()

        def invoke(event: dict[str, Any]) -> dict[str, Any] | None:
            go_on()
            return self.invoke(event, number)

        def give_up(batch: Batch) -> None:
            arns = {"function_arn": self.function_arn, "stream_arn": self.stream_arn}
            self.on_failure(failure_message(batch, time.time(), shard_id=shard_id, **arns))

        def tell(event: MappingEvent) -> None:
            self.on_event(replace(event, lane=number))

        delivery = Delivery(self.settings, invoke, give_up, wait, tell)
        with _ending_all(stop), suppress(_Stopping):
            while batch := lane.take(self.settings.batch_size):
                delivery.deliver(batch)


def _ready(parents: dict[str, str | None], readings: dict[str, Future[None]]) -> list[str]:
    """Return the shards to begin now: those without a parent that is still being read.

    A parent shard is processed before its child shards:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
    """
    done = {shard_id for shard_id, reading in readings.items() if reading.done()}
    unfinished = (parents.keys() | readings.keys()) - done
    return [shard_id for shard_id, parent in parents.items() if shard_id not in readings and parent not in unfinished]
