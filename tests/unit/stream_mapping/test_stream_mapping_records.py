"""A record's shape, and its batch."""

import json

from local.stream_mapping.lane import PAYLOAD_BYTES, Lane
from local.stream_mapping.records import to_lambda_record
from simulation.aws.stream import STREAM_ARN
from tests.unit.stream_mapping.stream_records import BIRTH, lambda_records, numbers_of, stream_record


def test_a_record_gets_the_shape_of_a_lambda_event() -> None:
    record = stream_record(7)
    record["dynamodb"]["NewImage"] = {"blob": {"B": b"\xff"}, "blobs": {"BS": [b"a"]}}

    lambda_record = json.loads(json.dumps(to_lambda_record(record, STREAM_ARN)))

    assert lambda_record["eventSourceARN"] == STREAM_ARN
    assert lambda_record["dynamodb"]["ApproximateCreationDateTime"] == BIRTH + 7
    assert lambda_record["dynamodb"]["NewImage"] == {"blob": {"B": "/w=="}, "blobs": {"BS": ["YQ=="]}}


def test_a_batch_stays_within_the_payload_of_an_invocation() -> None:
    lane, records = Lane(), lambda_records(1, 2, 3)
    for record in records:
        record["dynamodb"]["NewImage"] = {"text": {"S": "x" * (PAYLOAD_BYTES // 2 - 1000)}}
    lane.put(records)

    assert [numbers_of(lane.take(100)) for _ in range(2)] == [[1, 2], [3]]
