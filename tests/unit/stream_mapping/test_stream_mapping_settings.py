"""The mapping's settings, from serverless.yml."""

from typing import Any

import pytest

from local import serverless_yml
from local.stream_mapping import MappingSettings, UnsupportedMapping
from simulation.aws.stream import STREAM_ARN


def test_a_number_may_be_a_parameter_of_the_command_and_what_is_left_out_is_as_the_framework_deploys_it() -> None:
    settings = MappingSettings.from_event({"arn": STREAM_ARN, "parallelizationFactor": "2"})

    assert settings == MappingSettings(batch_size=10, parallelization_factor=2)


@pytest.mark.parametrize("event", [{"tumblingWindowInSeconds": 30}, {"startingPosition": "LATEST"}], ids=str)
def test_a_mapping_that_cannot_be_emulated_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedMapping):
        MappingSettings.from_event(event)


def test_every_function_with_a_stream_event_is_found_with_its_table() -> None:
    stream = {"stream": {"arn": {"Fn::GetAtt": ["OrdersTable", "StreamArn"]}}}
    resolved = {
        "functions": {
            "pay": {"events": [stream]},
            "create": {"events": [{"http": {}}]},
            "notify": {"events": [stream]},
        },
        "resources": {"Resources": {"OrdersTable": {"Properties": {"TableName": "orders"}}}},
    }

    found = [
        (key, serverless_yml.stream_table(resolved, event)) for key, event in serverless_yml.stream_events(resolved)
    ]

    assert found == [("pay", "orders"), ("notify", "orders")]
