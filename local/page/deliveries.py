"""What the local stream mapping delivers to ProcessPayment, and how each delivery ends; it can be paused."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from local.stream_mapping import FunctionError, Invoke, InvokeInLane, MappingEvent
from shared import clock
from shared.order import to_timestamp

ENTRIES, BATCHES = 100, 1_000  # how many are remembered
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
STREAM_HOURS = 24  # how long a stream has a record
AT_WORK = "at work"


@dataclass
class Entry:
    """A delivery; or what the mapping reports: a retry, a split, a message to the failure queue."""

    result: str
    lane: str = ""
    records: int | None = None
    seconds: float | None = None
    level: str = ""
    message: Mapping[str, Any] | None = None
    at: float = field(default_factory=time.time)


class Deliveries:
    """Stands between the mapping and the function, and takes the mapping's events."""

    def __init__(self) -> None:
        self.entries = deque[Entry](maxlen=ENTRIES)
        self.given_up = 0
        self.resumed = threading.Event()  # while it is not set, the mapping waits before its next delivery
        self.resumed.set()
        self._batches = deque[tuple[dict[str, Any], Invoke]](maxlen=BATCHES)
        self._moves: list[tuple[str, int]] = []  # when a person moved the clock on, and how many hours

    def watched(self, invoke: Invoke) -> InvokeInLane:
        """Return what the mapping is to call instead of `invoke`."""

        def deliver(event: dict[str, Any], lane: int) -> dict[str, Any] | None:
            self.resumed.wait()
            if not (records := self._in_stream(event)):
                return None
            self._batches.append((event, invoke))
            return self._deliver({"Records": records}, invoke, str(lane))

        return deliver

    def deliver_again(self, order_id: str) -> bool:
        """Deliver the last batch, or an order's record alone, once more, as a stream may; False if there is none."""
        for event, invoke in list(self._batches) if order_id else list(self._batches)[-1:]:
            if records := [record for record in self._in_stream(event) if order_id in {"", _order_id(record)}]:
                self._deliver({"Records": records}, invoke, "again")
                return True
        return False

    def move_on(self, hours: int) -> None:
        """Let hours pass for the records that the stream has."""
        self._moves.append((to_timestamp(clock.now()), hours))

    def take_failure(self, message: Mapping[str, Any]) -> None:
        """Take what the failure queue would get."""
        records = message["DDBStreamBatchInfo"]["batchSize"]
        self.given_up += records
        result = f"to the failure queue: {message['requestContext']['condition']}"
        self.entries.append(Entry(result, records=records, message=message))

    def take_event(self, event: MappingEvent) -> None:
        """Take what the mapping reports."""
        self.entries.append(Entry(event.message, "" if event.lane is None else str(event.lane), level=event.level))

    def _in_stream(self, event: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the records of a batch that the stream has not trimmed, the clock being moved on."""
        return [record for record in event["Records"] if self._hours_passed(record) < STREAM_HOURS]

    def _hours_passed(self, record: Mapping[str, Any]) -> int:
        created_at = record["dynamodb"].get("NewImage", {}).get("created_at", {}).get("S", "")
        return sum(hours for at, hours in self._moves if "" < created_at < at)

    def _deliver(self, event: dict[str, Any], invoke: Invoke, lane: str) -> dict[str, Any] | None:
        entry = Entry(AT_WORK, lane, len(event["Records"]))
        self.entries.append(entry)
        began = time.monotonic()
        try:
            response = invoke(event)
        except FunctionError as error:
            entry.level, entry.result = "ERROR", str(error)
            raise
        finally:
            entry.seconds = time.monotonic() - began
        failures = len((response or {}).get("batchItemFailures", []))
        entry.level, entry.result = ("ERROR", f"{failures} reported as failed") if failures else ("", "recorded")
        return response


def _order_id(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["Keys"]["order_id"]["S"])
