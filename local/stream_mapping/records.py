"""A DynamoDB stream's records on their way to the function: their shape, which are wanted, and in which lane."""

import base64
import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from moto.events.models import EventPattern

Record = dict[str, Any]  # as a Lambda event holds it


def to_lambda_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """Return a record of boto3's as a Lambda event has it.

    There is an example event in https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html.
    """
    lambda_record: Record = json.loads(json.dumps({**record, "eventSourceARN": stream_arn}, default=_to_json))
    return lambda_record


def _to_json(value: datetime | bytes) -> float | str:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def is_wanted(record: Record, filter_patterns: tuple[dict[str, Any], ...]) -> bool:
    """Whether the function gets the record: one filter that matches is enough, and without filters it gets all.

    A filter matches only a record with every key that it names:
    https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html
    """
    event: Any = record
    return not filter_patterns or any(EventPattern(None, pattern).matches_event(event) for pattern in filter_patterns)


def lane_of(record: Record, lanes: int) -> int:
    """Which of its shard's lanes takes the record: always the same for one item, so that its changes stay in order.

    "Lambda still ensures in-order processing at the item (partition and sort key) level":
    https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
    """
    return zlib.crc32(json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()) % lanes


def sequence_number(record: Record) -> str:
    """Where the record stands in its shard."""
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def created_at(record: Record) -> float:
    """When the change was made, in seconds since 1970; DynamoDB Local rounds it down to the minute."""
    return float(record["dynamodb"].get("ApproximateCreationDateTime", 0))
