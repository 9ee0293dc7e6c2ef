"""How a shard is read on after its stream did not answer."""

import threading
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError
from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

from local.stream_mapping import MappingEvent
from local.stream_mapping.shard import Outage, Shard
from simulation.aws.stream import STREAM_ARN
from tests.unit.stream_mapping.stream_records import numbers_of, refusal, stream_record


class Client:
    """Answers the reads of a shard with these pages and errors, and remembers the iterators that were asked for."""

    def __init__(self, *answers: list[int] | Exception) -> None:
        self.iterators: list[tuple[str, str]] = []
        self._answers = list(answers)

    def get_shard_iterator(self, **request: str) -> dict[str, Any]:
        self.iterators.append((request["ShardIteratorType"], request.get("SequenceNumber", "").lstrip("0")))
        return {"ShardIterator": "iterator"}

    def get_records(self, **_: str) -> dict[str, Any]:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        following = {"NextShardIterator": "iterator"} if self._answers else {}
        return {"Records": [stream_record(number) for number in answer], **following}


@pytest.mark.parametrize(
    ("error", "second_iterator"),
    [
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:8000"), []),
        (refusal("ExpiredIteratorException"), [("AFTER_SEQUENCE_NUMBER", "1")]),
        (refusal("TrimmedDataAccessException"), [("TRIM_HORIZON", "")]),
        (refusal("ResourceNotFoundException"), [("AFTER_SEQUENCE_NUMBER", "1")]),
    ],
    ids=["outage", "expired iterator", "next record was trimmed", "restart"],
)
def test_a_read_that_fails_loses_and_repeats_nothing_and_is_reported_once(
    error: Exception, second_iterator: list[tuple[str, str]]
) -> None:
    client, events = Client([1], error, error, [], [2, 3]), list[MappingEvent]()
    shard = Shard(
        shard_id="one",
        stream_arn=STREAM_ARN,
        client=cast("DynamoDBStreamsClient", client),
        outage=Outage(events.append),
        pause=lambda *_: None,
        on_event=lambda _: None,
    )

    reads = [numbers_of(records) for records in shard.reads(threading.Event())]

    assert reads == [[1], [2, 3]]
    assert client.iterators == [("TRIM_HORIZON", ""), *second_iterator, *second_iterator]
    assert [event.message.partition(",")[0] for event in events] == [
        "the stream cannot be read",
        "the stream can be read again",
    ]
