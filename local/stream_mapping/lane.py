"""The records of a shard that wait for one worker, in order; a worker's lane does not wait for another's."""

import json
import threading
from collections import deque

from local.stream_mapping.records import Record

READ_AHEAD_RECORDS = 5_000  # what a lane holds at most, give or take one read of the stream
PAYLOAD_BYTES = 6_000_000  # of a synchronous invocation ("Lambda quotas": 6 MB)
FULL_SECONDS = 0.1


class Lane:
    """A queue between the reader of a shard and a worker."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Record, int]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, records: list[Record], stop: threading.Event) -> None:
        """Add what one read brought, all of it at once so that it can make one batch; waits while the lane is full."""
        sized = [(record, len(json.dumps(record))) for record in records]
        with self._changed:
            while len(self._waiting) >= READ_AHEAD_RECORDS and not stop.is_set():
                self._changed.wait(FULL_SECONDS)
            self._waiting.extend(sized)
            self._changed.notify_all()

    def take(self, batch_size: int) -> list[Record]:
        """The next batch, as soon as a record is there; an empty one once the lane is closed and done."""
        batch: list[Record] = []
        payload = 0
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            while self._waiting and len(batch) < batch_size:
                record, size = self._waiting[0]
                payload += size
                if batch and payload > PAYLOAD_BYTES:
                    break
                batch.append(record)
                self._waiting.popleft()
            self._changed.notify_all()
        return batch

    def close(self) -> None:
        """Say that nothing more will be put."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
