"""X-Ray: the trace header that an order carries, and the segments that join its payments to its trace.

X-Ray does not follow an item through DynamoDB Streams. So CreateOrder stores its own place in the trace with the order,
and each attempt to pay for the order sends a complete segment that continues from there.
"""

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import boto3
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models.trace_header import TraceHeader
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shared import clock
from shared.observability import logger
from shared.order import Order, to_timestamp
from shared.payment import Declined

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

# Where Lambda's Python runtime keeps the trace header of the invocation ("Lambda environment variables").
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"
# "PutTraceSegments", AWS X-Ray API Reference: a call takes up to 50 documents (of up to 64 kB; ours have about 1).
DOCUMENTS_PER_CALL = 50
TRACED_ATTEMPTS = 3  # of an order, the first ones: X-Ray limits how much it adds to an old trace
SEND_SECONDS = 3
LONGEST_MESSAGE = 200

# The parts of an attempt's segment.
STREAM_WAIT, PROVIDER, DYNAMODB = "stream wait", "payment provider", "DynamoDB"


def current_header() -> str | None:
    """Return the running invocation's place in its trace, to be stored with an order; None outside a trace."""
    header = TraceHeader.from_header_str(os.environ.get(HEADER_VARIABLE))
    if not header.root:
        return None
    subsegment = xray_recorder.current_subsegment()
    # In a trace that is not sampled, subsegments are placeholders.
    parent_id = subsegment.id if subsegment and subsegment.trace_id == header.root else header.parent
    return TraceHeader(header.root, parent_id, header.sampled).to_header_str()


def fields_of(order: Order) -> dict[str, Any]:
    """Return the fields of every log line about an order."""
    fields: dict[str, Any] = {"order_id": str(order.order_id), "status": order.status, "attempts": order.attempts}
    header = TraceHeader.from_header_str(order.trace_header)
    if header.root:
        fields |= {"trace_id": header.root, "parent_id": header.parent}
    return fields


class Attempt:
    """What is told of one attempt to pay for an order. `fields` are those of its log line, times in epoch milliseconds.

    `queued_at` is when the order began to wait for it, in epoch seconds.
    """

    def __init__(self, order: Order, queued_at: float) -> None:
        is_sampled = TraceHeader.from_header_str(order.trace_header).sampled == 1
        self.is_traced = is_sampled and order.attempts < TRACED_ATTEMPTS
        received_at_ms = clock.now_ms()
        self.fields: dict[str, Any] = fields_of(order) | {
            "queued_at_ms": min(round(queued_at * 1000), received_at_ms),
            "received_at_ms": received_at_ms,
        }

    @contextmanager
    def calling_provider(self) -> Iterator[None]:
        """Time the calls of the provider. An exception is kept."""
        self.fields["called_at_ms"] = clock.now_ms()
        try:
            yield
        except Exception as error:
            self.fields["provider_error"] = _shown(error)
            raise
        finally:
            self.fields["answered_at_ms"] = clock.now_ms()

    def recorded(self, stored: Order) -> None:
        """Take the order as it is stored now."""
        self.fields |= {"status": stored.status, "attempts": stored.attempts, "recorded_at_ms": clock.now_ms()}
        if stored.due_at:
            self.fields["due_at"] = to_timestamp(stored.due_at)

    def not_recorded(self, error: Exception) -> None:
        """Take the error that kept the outcome from being recorded."""
        self.fields |= {"recorded_at_ms": clock.now_ms(), "table_error": _shown(error)}


def segment_of_attempt(fields: Mapping[str, Any], service: str, table: str) -> dict[str, Any]:
    """Make the segment of an attempt from the fields of its log line, which name its trace.

    It has a name of its own and no AWS origin, or X-Ray would count it as an invocation of the function
    (https://docs.aws.amazon.com/xray/latest/devguide/xray-api-segmentdocuments.html).
    """
    times = [fields[f"{name}_at_ms"] / 1000 for name in ("queued", "received", "called", "answered", "recorded")]
    queued, received, called, answered, recorded = accumulate(times, max)  # the clock may have been set back
    aws = {"operation": "BatchExecuteStatement", "table_name": table}
    parts = [
        _part(STREAM_WAIT, queued, received),
        _part(PROVIDER, called, answered, fields.get("provider_error"), namespace="remote"),
        _part(DYNAMODB, answered, recorded, fields.get("table_error"), namespace="aws", aws=aws),
    ]
    return {
        "name": f"{service}-payment",
        "id": _new_id(),
        "trace_id": fields["trace_id"],
        **({"parent_id": fields["parent_id"]} if fields["parent_id"] else {}),
        "start_time": queued,
        "end_time": recorded,
        "annotations": {name: fields[name] for name in ("order_id", "status", "attempts")},
        **{flag: True for part in parts for flag in ("error", "fault") if flag in part},
        "subsegments": parts,
    }


def _part(name: str, start_time: float, end_time: float, error: str | None = None, **fields: object) -> dict[str, Any]:
    part = {"name": name, "id": _new_id(), "start_time": start_time, "end_time": end_time, **fields}
    if error:
        kind, _, message = error.partition(": ")
        part["error" if kind == Declined.__name__ else "fault"] = True
        part["cause"] = {"exceptions": [{"id": _new_id(), "type": kind, "message": message}]}
    return part


def _shown(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:LONGEST_MESSAGE]}"


def _new_id() -> str:
    return os.urandom(8).hex()


def client() -> "XRayClient":
    """Return a client of X-Ray's API with short timeouts and no retries, so that the invocation can finish."""
    config = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 1})
    return boto3.client("xray", config=config)


class SegmentSender:
    """Sends the segments of sampled attempts while others go on. What X-Ray does not accept is logged and lost.

    They go through the API, not the daemon: Lambda may not run the daemon for an invocation that is not sampled itself.
    After a call that failed nothing more is sent, because the next one would probably fail too.
    """

    def __init__(self, client: "XRayClient", table: str) -> None:
        self._client, self._table = client, table
        self._waiting: list[str] = []
        # A thread, because the client's timeouts limit each wait for the network, not the whole.
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._calls: list[Future[None]] = []
        self._added = self._taken = 0
        self._has_failed = False
        self._reason = ""

    def add(self, attempt: Attempt) -> None:
        """Send an attempt's segment, with up to DOCUMENTS_PER_CALL others."""
        if attempt.is_traced:
            segment = segment_of_attempt(attempt.fields, os.environ["POWERTOOLS_METRICS_NAMESPACE"], self._table)
            self._waiting.append(json.dumps(segment))
            self._added += 1
            if len(self._waiting) == DOCUMENTS_PER_CALL:
                self._flush()

    def close(self) -> None:
        """Send what is left, for SEND_SECONDS at most."""
        if self._waiting:
            self._flush()
        _, late = wait(self._calls, SEND_SECONDS)
        self._thread.shutdown(wait=False, cancel_futures=True)
        if self._taken < self._added:
            reason = f"X-Ray did not take them within {SEND_SECONDS} s" if late else self._reason
            logger.warning("Traces not delivered", segments=self._added - self._taken, reason=reason)

    def _flush(self) -> None:
        documents, self._waiting = self._waiting, []
        self._calls = [call for call in self._calls if not call.done()]
        self._calls.append(self._thread.submit(self._send, documents))

    def _send(self, documents: list[str]) -> None:
        if self._has_failed:
            return
        try:
            answer = self._client.put_trace_segments(TraceSegmentDocuments=documents)
        except (BotoCoreError, ClientError) as error:
            self._has_failed, self._reason = True, str(error)
            return
        refused = answer["UnprocessedTraceSegments"]
        self._taken += len(documents) - len(refused)
        if refused:
            self._reason = str(refused[0].get("Message"))
