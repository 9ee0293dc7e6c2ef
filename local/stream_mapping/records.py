"""A DynamoDB stream's records on their way to the function: their shape, which are wanted, and in which lane."""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

from moto.events.models import EventPattern

Record = dict[str, Any]  # as a Lambda event holds it


def to_lambda_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """A record of boto3's as a Lambda event has it ("Using AWS Lambda with Amazon DynamoDB", Example event)."""
    change = dict(record["dynamodb"])
    if "ApproximateCreationDateTime" in change:
        change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    lambda_record = {**record, "dynamodb": _with_text_for_bytes(change), "eventSourceARN": stream_arn}
    if "userIdentity" in record:  # an item that its time to live ended
        identity = record["userIdentity"]
        lambda_record["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return lambda_record


def _with_text_for_bytes(value: object) -> object:
    match value:
        case dict():
            return {key: _with_text_for_bytes(member) for key, member in value.items()}
        case list():
            return [_with_text_for_bytes(member) for member in value]
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return value


def is_wanted(record: Record, filter_patterns: tuple[dict[str, Any], ...]) -> bool:
    """Whether the function gets the record: one filter that matches is enough, and without filters it gets all.

    A filter matches only a record with every key that it names ("Control which events Lambda sends to your function").
    """
    event: Any = record
    return not filter_patterns or any(EventPattern(None, pattern).matches_event(event) for pattern in filter_patterns)


def lane_of(record: Record, lanes: int) -> int:
    """Which of its shard's lanes takes the record: always the same for one item, so that its changes stay in order.

    "Lambda still ensures in-order processing at the item (partition and sort key) level" ("Using AWS Lambda with Amazon
    DynamoDB").
    """
    return zlib.crc32(json.dumps(record["dynamodb"]["Keys"], sort_keys=True).encode()) % lanes


def sequence_number(record: Record) -> str:
    """Where the record stands in its shard."""
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def created_at(record: Record) -> float:
    """When the change was made, in seconds since 1970; DynamoDB Local rounds it down to the minute."""
    return float(record["dynamodb"].get("ApproximateCreationDateTime", 0))
