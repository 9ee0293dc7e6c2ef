"""A record's shape, filter and lane."""

import json
from typing import Any

import pytest

from local.stream_mapping.lane import PAYLOAD_BYTES, Lane
from local.stream_mapping.records import is_wanted, lane_of, to_lambda_record
from simulation.aws.stream import STREAM_ARN
from tests.unit.stream_mapping.fake_stream import BIRTH, lambda_records, numbers_of, stream_record

FILTER = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["PENDING"]}}}}


def test_a_record_gets_the_shape_of_a_lambda_event() -> None:
    record = stream_record(7, "o-1")
    record["dynamodb"]["NewImage"] = {"blob": {"B": b"\xff"}, "blobs": {"BS": [b"a"]}, "deep": {"L": [{"B": b"b"}]}}

    assert json.loads(json.dumps(to_lambda_record(record, STREAM_ARN))) == {
        "eventID": "event-000000000000000000007",
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": STREAM_ARN,
        "dynamodb": {
            "ApproximateCreationDateTime": BIRTH + 7,
            "Keys": {"order_id": {"S": "o-1"}},
            "NewImage": {"blob": {"B": "/w=="}, "blobs": {"BS": ["YQ=="]}, "deep": {"L": [{"B": "Yg=="}]}},
            "SequenceNumber": "000000000000000000007",
            "SizeBytes": 300,
            "StreamViewType": "NEW_IMAGE",
        },
    }


def test_one_item_has_one_lane_whatever_the_order_of_its_keys() -> None:
    record, same = lambda_records(1, 2)
    lanes = range(1, 11)
    record["dynamodb"]["Keys"] = {"customer": {"S": "c"}, "order": {"S": "o"}}
    same["dynamodb"]["Keys"] = {"order": {"S": "o"}, "customer": {"S": "c"}}

    assert [lane_of(record, count) for count in lanes] == [lane_of(same, count) for count in lanes]


@pytest.mark.parametrize(
    ("patterns", "is_one_wanted"),
    [
        ([], True),
        ([{"eventName": ["REMOVE"]}, FILTER], True),
        ([{"eventName": ["MODIFY"]}], False),
        ([{"dynamodb": {"OldImage": {"status": {"S": ["PENDING"]}}}}], False),
    ],
    ids=["no filter", "one of two", "another value", "a missing key"],
)
def test_a_record_is_wanted_if_a_filter_matches_it_or_there_is_none(
    patterns: list[dict[str, Any]], *, is_one_wanted: bool
) -> None:
    [record] = lambda_records(1)

    assert is_wanted(record, tuple(patterns)) is is_one_wanted


def test_a_batch_stays_within_the_payload_of_an_invocation() -> None:
    lane, records = Lane(), lambda_records(1, 2, 3)
    for record in records:
        record["dynamodb"]["NewImage"] = {"text": {"S": "x" * (PAYLOAD_BYTES // 2 - 1000)}}
    lane.put(records)

    assert [numbers_of(lane.take(100)) for _ in range(2)] == [[1, 2], [3]]
