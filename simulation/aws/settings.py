"""What serverless.yml says of the service, as far as the simulation needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from local import serverless_yml
from local.stream_mapping import MappingSettings

FUNCTIONS = {"create_order": "createOrder", "process_payment": "processPayment", "recover_orders": "recoverOrders"}
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
MEGABYTES_OF_A_VCPU = 1769


@dataclass(frozen=True)
class FunctionSettings:
    """A function's time-out and its share of a vCPU."""

    timeout_seconds: float
    vcpus: float


@dataclass(frozen=True)
class Settings:
    """What serverless.yml says of the service. `write_units` are those of the table and of its index, each."""

    variables: Mapping[str, str]
    functions: Mapping[str, FunctionSettings]
    mapping: MappingSettings
    write_units: int

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Self:
        """Read a resolved serverless.yml, of a stage whose table has a provisioned capacity."""
        functions = {module: serverless_yml.function(resolved, key) for module, key in FUNCTIONS.items()}
        variables = dict(resolved["provider"]["environment"])
        for function in functions.values():
            variables |= function.get("environment", {})
        return cls(
            {name: str(value) for name, value in variables.items()},
            {
                module: FunctionSettings(float(each["timeout"]), min(1, each["memorySize"] / MEGABYTES_OF_A_VCPU))
                for module, each in functions.items()
            },
            MappingSettings.from_event(serverless_yml.stream_event(resolved, "processPayment")),
            serverless_yml.orders_table_definition(resolved)["ProvisionedThroughput"]["WriteCapacityUnits"],
        )
