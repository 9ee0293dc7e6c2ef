"""What serverless.yml says of the service, as far as the simulation needs it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from local import serverless_yml
from local.stream_mapping import MappingSettings

FUNCTIONS = {"create_order": "createOrder", "process_payment": "processPayment", "recover_orders": "recoverOrders"}


@dataclass(frozen=True)
class Settings:
    """What serverless.yml says of the service."""

    variables: Mapping[str, str]
    timeouts: Mapping[str, float]
    mapping: MappingSettings

    @classmethod
    def of(cls, resolved: Mapping[str, Any]) -> Self:
        """Read a resolved serverless.yml."""
        functions = {module: serverless_yml.function(resolved, key) for module, key in FUNCTIONS.items()}
        variables = dict(resolved["provider"]["environment"])
        for function in functions.values():
            variables |= function.get("environment", {})
        return cls(
            {name: str(value) for name, value in variables.items()},
            {module: float(each.get("timeout", resolved["provider"]["timeout"])) for module, each in functions.items()},
            MappingSettings.from_event(serverless_yml.stream_event(resolved, "processPayment")),
        )
