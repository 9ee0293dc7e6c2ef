"""What the on-failure destination is told."""

import pytest

from local.stream_mapping.delivery import Batch
from local.stream_mapping.failure_message import failure_message
from simulation.aws.stream import STREAM_ARN
from tests.unit.stream_mapping.fake_stream import BIRTH, FUNCTION_ARN, lambda_records


@pytest.mark.parametrize(("raised", "error"), [(True, {"functionError": "Unhandled"}), (False, {})])
def test_the_message_about_a_given_up_batch_is_as_aws_shapes_it(*, raised: bool, error: dict[str, str]) -> None:
    batch = Batch(lambda_records(1, 2), retries=3, invocations=4, function_error=raised)

    message = failure_message(
        batch, BIRTH + 99.5, function_arn=FUNCTION_ARN, stream_arn=STREAM_ARN, shard_id="shardId-1"
    )

    assert message == {
        "requestContext": {
            "requestId": message["requestContext"]["requestId"],
            "functionArn": FUNCTION_ARN,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", **error},
        "version": "1.0",
        "timestamp": "2026-01-01T00:01:39.500Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": "000000000000000000001",
            "endSequenceNumber": "000000000000000000002",
            "approximateArrivalOfFirstRecord": "2026-01-01T00:00:01Z",
            "approximateArrivalOfLastRecord": "2026-01-01T00:00:02Z",
            "batchSize": 2,
            "streamArn": STREAM_ARN,
        },
    }
