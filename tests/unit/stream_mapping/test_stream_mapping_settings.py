"""The mapping's settings, from serverless.yml."""

from typing import Any

import pytest

from local import serverless_yml
from local.stream_mapping import MappingSettings, UnsupportedMapping
from simulation.aws.stream import STREAM_ARN

FILTER = {"eventName": ["INSERT"], "dynamodb": {"NewImage": {"status": {"S": ["PENDING"]}}}}


def test_the_settings_are_read_from_serverless_yml() -> None:
    event = {
        "type": "dynamodb",
        "arn": {"Fn::GetAtt": ["OrdersTable", "StreamArn"]},
        "enabled": True,
        "batchSize": 1000,
        "parallelizationFactor": "2",
        "maximumRetryAttempts": 3,
        "bisectBatchOnFunctionError": True,
        "functionResponseType": "ReportBatchItemFailures",
        "filterPatterns": [FILTER],
        "startingPosition": "TRIM_HORIZON",
        "destinations": {"onFailure": {"type": "sqs", "arn": {"Fn::GetAtt": ["FailureQueue", "Arn"]}}},
    }

    assert MappingSettings.from_event(event) == MappingSettings(
        batch_size=1000,
        parallelization_factor=2,
        maximum_retry_attempts=3,
        bisect_batch_on_function_error=True,
        report_batch_item_failures=True,
        filter_patterns=(FILTER,),
    )


def test_what_serverless_yml_leaves_out_is_as_the_framework_deploys_it() -> None:
    assert MappingSettings.from_event({"arn": STREAM_ARN}) == MappingSettings(batch_size=10)


@pytest.mark.parametrize("event", [{"tumblingWindowInSeconds": 30}, {"startingPosition": "LATEST"}], ids=str)
def test_a_mapping_that_cannot_be_emulated_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedMapping):
        MappingSettings.from_event(event)


def test_every_function_with_a_stream_event_is_found_with_its_table() -> None:
    of_orders, of_refunds = ({"arn": {"Fn::GetAtt": [name, "StreamArn"]}} for name in ("Orders", "Refunds"))
    tables = {name: {"Properties": {"TableName": f"the-{name}"}} for name in ("Orders", "Refunds")}
    resolved = {
        "functions": {
            "pay": {"events": [{"stream": of_orders}]},
            "create": {"events": [{"http": "POST /orders"}]},
            "inform": {"events": [{"stream": of_orders}, {"stream": of_refunds}]},
        },
        "resources": {"Resources": tables},
    }

    found = [
        (key, serverless_yml.stream_table(resolved, event)) for key, event in serverless_yml.stream_events(resolved)
    ]

    assert found == [("pay", "the-Orders"), ("inform", "the-Orders"), ("inform", "the-Refunds")]
