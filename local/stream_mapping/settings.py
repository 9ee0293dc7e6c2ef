"""The properties of an event source mapping of a DynamoDB stream that we emulate, read from serverless.yml."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

ENDLESS = -1
LEAST_AGE_SECONDS = 60
_RANGES = {
    "batch_size": (1, 10_000),
    "parallelization_factor": (1, 10),
    "maximum_retry_attempts": (ENDLESS, 10_000),
    "maximum_record_age_in_seconds": (ENDLESS, 604_800),
}

_NUMBERS = {
    "batchSize": "batch_size",
    "parallelizationFactor": "parallelization_factor",
    "maximumRetryAttempts": "maximum_retry_attempts",
    "maximumRecordAgeInSeconds": "maximum_record_age_in_seconds",
}
_OTHERS = {"bisectBatchOnFunctionError", "functionResponseType", "filterPatterns", "startingPosition"}
_GIVEN_OTHERWISE = {"arn", "destinations"}  # a StreamMapping is given the stream and the on-failure destination
_ONLY_AS = {"type": "dynamodb", "enabled": True, "batchWindow": 0}


class UnsupportedMapping(ValueError):
    """serverless.yml asks for something of the mapping that it does not emulate, or that AWS would refuse."""


@dataclass(frozen=True)
class MappingSettings:
    """Names, defaults and ranges are AWS's ("Lambda parameters for Amazon DynamoDB event source mappings")."""

    batch_size: int = 100
    parallelization_factor: int = 1
    maximum_retry_attempts: int = ENDLESS
    maximum_record_age_in_seconds: int = ENDLESS
    bisect_batch_on_function_error: bool = False
    report_batch_item_failures: bool = False
    filter_patterns: tuple[dict[str, Any], ...] = ()
    starting_position: Literal["TRIM_HORIZON", "LATEST"] = "TRIM_HORIZON"

    def __post_init__(self) -> None:
        for name, (lowest, highest) in _RANGES.items():
            if not lowest <= getattr(self, name) <= highest:
                raise UnsupportedMapping(f"{name} must be {lowest} to {highest}, not {getattr(self, name)}")
        if ENDLESS < self.maximum_record_age_in_seconds < LEAST_AGE_SECONDS:
            raise UnsupportedMapping(
                f"maximum_record_age_in_seconds must be {ENDLESS}, or {LEAST_AGE_SECONDS} and more"
            )
        if self.starting_position not in {"TRIM_HORIZON", "LATEST"}:
            raise UnsupportedMapping(
                f"starting_position must be TRIM_HORIZON or LATEST, not {self.starting_position!r}"
            )

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """From a `stream` event of serverless.yml, as `sls print --format json` resolves it.

        What the event leaves out is as the Serverless Framework deploys it (osls, compile/events/stream.js): ten
        records a batch, where AWS's own default is a hundred.
        """
        for name, value in event.items():
            if name in _NUMBERS or name in _OTHERS or name in _GIVEN_OTHERWISE:
                continue
            if name not in _ONLY_AS or value != _ONLY_AS[name]:
                raise UnsupportedMapping(
                    f"the local stream mapping does not emulate `{name}: {value}` of serverless.yml"
                )
        response_type = event.get("functionResponseType")
        if response_type not in {None, "ReportBatchItemFailures"}:
            raise UnsupportedMapping(f"functionResponseType can only be ReportBatchItemFailures, not {response_type!r}")
        numbers = {field: _whole_number(name, event[name]) for name, field in _NUMBERS.items() if name in event}
        return cls(
            **{"batch_size": 10} | numbers,
            bisect_batch_on_function_error=_yes_or_no(event, "bisectBatchOnFunctionError"),
            report_batch_item_failures=response_type is not None,
            filter_patterns=tuple(event.get("filterPatterns") or ()),
            starting_position=event.get("startingPosition", "TRIM_HORIZON"),
        )


# A stage parameter given on the command line is a string, which the framework would convert ("coerceTypes").
def _whole_number(name: str, value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise UnsupportedMapping(f"{name} must be a whole number, not {value!r}") from None


def _yes_or_no(event: Mapping[str, Any], name: str) -> bool:
    value = str(event.get(name, False)).lower()
    if value not in {"true", "false"}:
        raise UnsupportedMapping(f"{name} must be true or false, not {value!r}")
    return value == "true"
