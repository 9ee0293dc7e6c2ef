"""The records of a shard that wait for one worker, in order. Lanes do not wait for each other."""

import json
import threading
from collections import deque

from local.stream_mapping.records import Record

PAYLOAD_BYTES = 6_000_000  # 6 MB an invocation: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html


class Lane:
    """A queue between the reader of a shard and a worker."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Record, int]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False

    def put(self, records: list[Record]) -> None:
        """Add all records of one read at once, so that they can make one batch."""
        sized = [(record, len(json.dumps(record))) for record in records]
        with self._changed:
            self._waiting.extend(sized)
            self._changed.notify_all()

    def take(self, batch_size: int) -> list[Record]:
        """Wait for a record, and return the next batch; an empty one once the lane is closed and empty."""
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
        return batch

    def close(self) -> None:
        """No more records will be put."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
