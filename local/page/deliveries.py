"""What the local stream mapping delivers to ProcessPayment, and how each delivery ends; it can be paused."""

import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from local.stream_mapping import FunctionError, FunctionNotInvoked, Invoke, InvokeInLane, MappingEvent

REMEMBERED = 100


class Deliveries:
    """Stands between the mapping and the function, and takes the mapping's events: retries, splits, giving up."""

    def __init__(self) -> None:
        self.entries = deque[dict[str, Any]](maxlen=REMEMBERED)
        self.given_up = 0
        self._resumed, self._ended = threading.Event(), threading.Event()
        self._resumed.set()
        self._last: tuple[dict[str, Any], Invoke] | None = None

    @property
    def is_paused(self) -> bool:
        """Whether the mapping waits before its next delivery."""
        return not self._resumed.is_set()

    @is_paused.setter
    def is_paused(self, paused: bool) -> None:
        self._resumed.clear() if paused else self._resumed.set()

    def end(self) -> None:
        """Drop the deliveries that wait: the local run ends."""
        self._ended.set()
        self._resumed.set()

    def watched(self, invoke: Invoke) -> InvokeInLane:
        """Return what the mapping is to call instead of `invoke`."""

        def deliver(event: dict[str, Any], lane: int) -> dict[str, Any] | None:
            self._resumed.wait()
            if self._ended.is_set():
                raise FunctionNotInvoked("the mapping is paused")
            self._last = event, invoke
            return self._deliver(event, invoke, _name(lane))

        return deliver

    def deliver_again(self) -> bool:
        """Deliver the last batch once more, as a stream may; False if there was none."""
        if self._last is None:
            return False
        self._deliver(*self._last, "again")
        return True

    def take_failure(self, message: Mapping[str, Any]) -> None:
        """Take what the failure queue would get."""
        self.given_up += message["DDBStreamBatchInfo"]["batchSize"]
        self.entries.append({"at": time.time(), "failure": message})

    def take_event(self, event: MappingEvent) -> None:
        """Take what the mapping reports."""
        lane = "" if event.lane is None else _name(event.lane)
        self.entries.append({"at": time.time(), "lane": lane, "note": event.message, "level": event.level})

    def _deliver(self, event: dict[str, Any], invoke: Invoke, lane: str) -> dict[str, Any] | None:
        entry: dict[str, Any] = {"at": time.time(), "lane": lane, "records": len(event["Records"])}
        self.entries.append(entry)
        began = time.monotonic()
        try:
            response = invoke(event)
        except FunctionError as error:
            entry["error"] = str(error)
            raise
        finally:
            entry["seconds"] = round(time.monotonic() - began, 3)
        entry["failures"] = len((response or {}).get("batchItemFailures", []))
        return response


def _name(lane: int) -> str:
    return f"lane {lane}"
