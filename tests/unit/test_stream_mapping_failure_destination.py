"""What the on-failure destination is told."""

from collections.abc import Callable
from typing import Any

import pytest

from local.stream_mapping.delivery import Batch
from local.stream_mapping.failure_destination import FailureDestination
from tests.unit.fake_stream import BIRTH, FUNCTION_ARN, STREAM_ARN, lambda_records


def destination(on_failure: Callable[[dict[str, Any]], None], waits: list[float] | None = None) -> FailureDestination:
    wait = ([] if waits is None else waits).append
    return FailureDestination(FUNCTION_ARN, STREAM_ARN, "shardId-1", on_failure, lambda: BIRTH + 99.5, wait)


def test_the_message_about_a_given_up_batch_is_as_aws_shapes_it() -> None:
    messages: list[dict[str, Any]] = []
    batch = Batch(lambda_records(1, 2), retries=3, invocations=4, function_error=True)

    destination(messages.append).give_up(batch, "RetryAttemptsExhausted")

    [message] = messages
    assert message == {
        "requestContext": {
            "requestId": message["requestContext"]["requestId"],
            "functionArn": FUNCTION_ARN,
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 4,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
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


def test_after_a_report_the_function_had_no_error_and_without_an_invocation_there_is_no_response() -> None:
    messages: list[dict[str, Any]] = []

    destination(messages.append).give_up(Batch(lambda_records(1), invocations=1), "RetryAttemptsExhausted")
    destination(messages.append).give_up(Batch(lambda_records(1)), "RecordAgeExceeded")

    assert messages[0]["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
    assert "responseContext" not in messages[1]


def test_a_destination_that_fails_is_tried_again() -> None:
    messages: list[dict[str, Any]] = []
    waits: list[float] = []

    def fail_twice(message: dict[str, Any]) -> None:
        messages.append(message)
        if len(messages) < 3:
            raise ConnectionError

    destination(fail_twice, waits).give_up(Batch(lambda_records(1)), "RecordAgeExceeded")

    assert len(messages) == 3
    assert waits == [0.2, 0.4]


def test_a_destination_that_keeps_failing_leaves_its_message_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: dict[str, Any]) -> None:
        raise ConnectionError

    destination(fail).give_up(Batch(lambda_records(1)), "RecordAgeExceeded")

    assert '"condition": "RecordAgeExceeded"' in caplog.messages[-1]
    assert "secret-customer" not in caplog.text
