"""What an event source mapping tells its on-failure destination about the records it gave up on."""

import json
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local.stream_mapping.delivery import Batch, backoff_seconds
from local.stream_mapping.records import created_at, sequence_number

OnFailure = Callable[[dict[str, Any]], None]
ATTEMPTS = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FailureDestination:
    """Tells of the batches of one shard that were given up on; what the destination keeps refusing is in the log."""

    function_arn: str
    stream_arn: str
    shard_id: str
    on_failure: OnFailure
    clock: Callable[[], float]
    wait: Callable[[float], None]

    def give_up(self, batch: Batch, condition: str) -> None:
        """Send it, a few times if need be; the lane then goes on in any case."""
        message = self._message(batch, condition)
        for attempt in range(ATTEMPTS):
            try:
                self.on_failure(message)
            except Exception as error:  # noqa: BLE001 - a destination may fail in any way
                log.warning("%s: the on-failure destination failed: %s", batch, type(error).__name__)
                self.wait(backoff_seconds(attempt))
            else:
                return
        log.error("%s: the on-failure destination did not take this: %s", batch, json.dumps(message))

    def _message(self, batch: Batch, condition: str) -> dict[str, Any]:
        """Metadata only, as in "Retain discarded records for a DynamoDB event source in Lambda".

        The page has no example for a report of failures, after which the function itself had no error, nor for records
        that were too old before their first invocation, which have no response.
        """
        first, last = batch.records[0], batch.records[-1]
        error = {"functionError": "Unhandled"} if batch.function_error else {}
        response = {"responseContext": {"statusCode": 200, "executedVersion": "$LATEST", **error}}
        return {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": self.function_arn,
                "condition": condition,
                "approximateInvokeCount": batch.invocations,
            },
            **(response if batch.invocations else {}),
            "version": "1.0",
            "timestamp": _iso(self.clock(), "milliseconds"),
            "DDBStreamBatchInfo": {
                "shardId": self.shard_id,
                "startSequenceNumber": sequence_number(first),
                "endSequenceNumber": sequence_number(last),
                "approximateArrivalOfFirstRecord": _iso(created_at(first), "seconds"),
                "approximateArrivalOfLastRecord": _iso(created_at(last), "seconds"),
                "batchSize": len(batch.records),
                "streamArn": self.stream_arn,
            },
        }


def _iso(timestamp: float, timespec: str) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
