"""X-Ray: the trace header that an order carries, and the segments that join its payments to its trace.

X-Ray does not follow an item through DynamoDB Streams. So CreateOrder stores its own place in the trace with the order,
and each attempt to settle the order sends a complete segment that continues from there.
"""

import json
import os
import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Any, Self

import boto3
from aws_xray_sdk import global_sdk_config
from aws_xray_sdk.core import xray_recorder
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared.observability import logger
from shared.order import Order

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

# Where Lambda's Python runtime keeps the trace header of the invocation ("Lambda environment variables").
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"
# "PutTraceSegments", AWS X-Ray API Reference: a call takes up to 50 documents (of up to 64 kB; ours have about 1).
DOCUMENTS_PER_CALL = 50
# X-Ray limits how much it adds to an old trace, so only the first attempts of an order are sent.
TRACED_ATTEMPTS = 3
SEND_SECONDS = 3
LONGEST_MESSAGE = 200

_ROOT = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class TraceHeader:
    """A place in a trace: the trace, the segment to continue from, the decision ("AWS X-Ray concepts")."""

    trace_id: str
    parent_id: str | None
    sampled: bool

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """Read a header; None if it names no trace. Other fields (Lineage, Self) are left out.

        Without a decision (`Sampled` absent or `?`) the trace counts as not sampled.
        """
        fields = dict(field.strip().partition("=")[::2] for field in (header or "").split(";"))
        trace_id, parent_id = fields.get("Root", ""), fields.get("Parent", "")
        if not _ROOT.fullmatch(trace_id):
            return None
        return cls(trace_id, parent_id if _ID.fullmatch(parent_id) else None, fields.get("Sampled") == "1")

    def __str__(self) -> str:
        parent = f"Parent={self.parent_id};" if self.parent_id else ""
        return f"Root={self.trace_id};{parent}Sampled={int(self.sampled)}"


def current_header() -> str | None:
    """Return the running invocation's place in its trace, to be stored with an order; None outside a trace."""
    header = TraceHeader.parse(os.environ.get(HEADER_VARIABLE))
    if header is None:
        return None
    subsegment = xray_recorder.current_subsegment()
    # In a trace that is not sampled, subsegments are placeholders.
    if subsegment and subsegment.trace_id == header.trace_id:
        header = replace(header, parent_id=subsegment.id)
    return str(header)


@contextmanager
def paused() -> Iterator[None]:
    """Switch tracing off: while Lambda initializes the function there is no trace, and the SDK warns of each call."""
    enabled = global_sdk_config.sdk_enabled()
    global_sdk_config.set_sdk_enabled(False)
    try:
        yield
    finally:
        global_sdk_config.set_sdk_enabled(enabled)


@contextmanager
def subsegment_on_error(name: str) -> Iterator[None]:
    """Add a subsegment only if the code inside fails. The exception is left out: it may quote the client's data."""
    start_time = time.time()
    try:
        yield
    except Exception:
        with xray_recorder.in_subsegment(name) as subsegment:
            if subsegment:
                subsegment.start_time = start_time
                subsegment.add_error_flag()
        raise


class PaymentSegment:
    """One attempt to settle an order, as a segment of the order's own trace.

    `queued_at` is when the order began to wait for it, in epoch seconds.
    """

    def __init__(self, order: Order, queued_at: float) -> None:
        self.order = order
        self._is_sent = order.attempts < TRACED_ATTEMPTS
        received_at = time.time()
        self._start_time = min(queued_at, received_at)
        self._flags: dict[str, bool] = {}
        self._subsegments: list[dict[str, Any]] = []
        self._add("stream wait", self._start_time, received_at)

    @contextmanager
    def subsegment(self, name: str, error: type[Exception] | None = None, **fields: object) -> Iterator[None]:
        """Time a part of the attempt. An exception is shown as a fault, or as an error if it is of that type."""
        start_time = time.time()
        try:
            yield
        except Exception as exception:
            flags = {"error" if error and isinstance(exception, error) else "fault": True}
            self._flags |= flags
            cause = {"id": _new_id(), "type": type(exception).__name__, "message": str(exception)[:LONGEST_MESSAGE]}
            self._add(name, start_time, time.time(), **fields, **flags, cause={"exceptions": [cause]})
            raise
        self._add(name, start_time, time.time(), **fields)

    def document(self) -> str | None:
        """Return the document ("X-Ray segment documents", AWS X-Ray Developer Guide), or None if none is to be sent.

        It has a name of its own and no AWS origin. Otherwise X-Ray would count it as an invocation of the function.
        """
        header = TraceHeader.parse(self.order.trace_header)
        if header is None or not header.sampled or not self._is_sent:
            return None
        segment = {
            "name": f"{os.environ['POWERTOOLS_METRICS_NAMESPACE']}-payment",
            "id": _new_id(),
            "trace_id": header.trace_id,
            **({"parent_id": header.parent_id} if header.parent_id else {}),
            "start_time": self._start_time,
            "end_time": self._subsegments[-1]["end_time"],
            "annotations": {"order_id": str(self.order.order_id), "status": self.order.status},
            **self._flags,
            "subsegments": self._subsegments,
        }
        return json.dumps(segment)

    def _add(self, name: str, start_time: float, end_time: float, **fields: object) -> None:
        end_time = max(start_time, end_time)  # the clock may have been set back meanwhile
        self._subsegments.append(
            {"name": name, "id": _new_id(), "start_time": start_time, "end_time": end_time, **fields}
        )


def _new_id() -> str:
    return os.urandom(8).hex()


def client() -> "XRayClient":
    """Return a client of X-Ray's API with short timeouts and no retries, so that the invocation can finish."""
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("xray", config=config)


def send(client: "XRayClient", segments: Sequence[PaymentSegment]) -> None:
    """Send the sampled segments within SEND_SECONDS. Those that X-Ray does not accept are logged and lost.

    They go through the API, not the daemon: Lambda may not run the daemon for an invocation that is not sampled itself.
    """
    documents = [document for segment in segments if (document := segment.document())]
    if not documents:
        return
    delivery = _Delivery(client, documents)
    # In a thread, because the client's timeouts limit each wait for the network, not the whole.
    thread = threading.Thread(target=delivery.run, daemon=True)
    thread.start()
    thread.join(SEND_SECONDS)
    delivery.is_over = True
    undelivered = len(documents) - delivery.taken
    if undelivered:
        logger.warning("Traces not delivered", segments=undelivered, reason=delivery.reason)


class _Delivery:
    """Sends documents until the time is over or a call fails, because the next call would probably fail too."""

    def __init__(self, client: "XRayClient", documents: Sequence[str]) -> None:
        self._client, self._documents = client, documents
        self.taken = 0
        self.is_over = False
        self.reason = f"X-Ray did not take them within {SEND_SECONDS} s"

    def run(self) -> None:
        for some in batched(self._documents, DOCUMENTS_PER_CALL, strict=False):
            if self.is_over:
                return
            try:
                answer = self._client.put_trace_segments(TraceSegmentDocuments=list(some))
            except (BotoCoreError, ClientError) as error:
                self.reason = str(error)
                return
            refused = answer["UnprocessedTraceSegments"]
            self.taken += len(some) - len(refused)
            if refused:
                self.reason = str(refused[0].get("Message"))
