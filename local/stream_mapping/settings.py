"""The properties of an event source mapping of a DynamoDB stream that we emulate, read from serverless.yml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

ENDLESS = -1
_EMULATED = {
    "arn",
    "batchSize",
    "bisectBatchOnFunctionError",
    "destinations",
    "filterPatterns",
    "functionResponseType",
    "maximumRetryAttempts",
    "parallelizationFactor",
}
_ONLY_AS = {
    "batchWindow": 0,
    "enabled": True,
    "maximumRecordAgeInSeconds": ENDLESS,
    "startingPosition": "TRIM_HORIZON",
    "type": "dynamodb",
}


class UnsupportedMapping(ValueError):
    """serverless.yml has a property of the mapping that the local run does not emulate."""


@dataclass(frozen=True)
class MappingSettings:
    """Names and defaults are Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html."""

    batch_size: int = 100
    parallelization_factor: int = 1
    maximum_retry_attempts: int = ENDLESS
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    filter_patterns: tuple[dict[str, Any], ...] = ()

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Read a `stream` event as `sls print --format json` resolves it; the framework has checked its values.

        The defaults are those of the Serverless Framework (osls, compile/events/stream.js): its batch size is 10, where
        AWS's own default is 100. A stage parameter given on the command line is a string.
        """
        for name, value in event.items():
            if name not in _EMULATED and (name not in _ONLY_AS or value != _ONLY_AS[name]):
                raise UnsupportedMapping(f"the local run does not emulate `{name}: {value}` of serverless.yml")
        return cls(
            batch_size=int(event.get("batchSize", 10)),
            parallelization_factor=int(event.get("parallelizationFactor", 1)),
            maximum_retry_attempts=int(event.get("maximumRetryAttempts", ENDLESS)),
            bisect_batch_on_function_error=str(event.get("bisectBatchOnFunctionError")).lower() == "true",
            report_batch_item_failures="functionResponseType" in event,
            filter_patterns=tuple(event.get("filterPatterns", ())),
        )
