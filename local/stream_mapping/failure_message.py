"""The message to the on-failure destination about records that were given up."""

import uuid
from datetime import UTC, datetime
from typing import Any

from local.stream_mapping.delivery import Batch
from local.stream_mapping.records import created_at, sequence_number


def failure_message(batch: Batch, now: float, *, function_arn: str, stream_arn: str, shard_id: str) -> dict[str, Any]:
    """Return the metadata of a batch, as in https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html.

    The page has no example of a batch that the function reported as failed without raising an error.
    """
    first, last = batch.records[0], batch.records[-1]
    error = {"functionError": "Unhandled"} if batch.function_error else {}
    return {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": function_arn,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": batch.invocations,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", **error},
        "version": "1.0",
        "timestamp": _iso(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": sequence_number(first),
            "endSequenceNumber": sequence_number(last),
            "approximateArrivalOfFirstRecord": _iso(created_at(first), "seconds"),
            "approximateArrivalOfLastRecord": _iso(created_at(last), "seconds"),
            "batchSize": len(batch.records),
            "streamArn": stream_arn,
        },
    }


def _iso(timestamp: float, timespec: str) -> str:
    return datetime.fromtimestamp(timestamp, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
