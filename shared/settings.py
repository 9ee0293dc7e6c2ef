"""The functions' environment, read once into typed models: each function reads the settings that it uses."""

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SettingsError(RuntimeError):
    """An environment variable is missing or wrong; the message names it."""


class TableSettings(BaseModel):
    """What every function needs. serverless.yml sets each variable by the name in `alias`."""

    model_config = ConfigDict(frozen=True)

    orders_table: Annotated[str, Field(alias="ORDERS_TABLE", min_length=1)]


class PaymentSettings(TableSettings):
    """What ProcessPayment and RecoverOrders need as well."""

    payment_delay_seconds: Annotated[float, Field(alias="PAYMENT_DELAY_SECONDS", ge=0, le=5)]
    # From this age on an order is not charged any more.
    payment_deadline_seconds: Annotated[float, Field(alias="PAYMENT_DEADLINE_SECONDS", gt=0)]
    # `module:function` that makes another provider than the simulated one; only the local run sets it.
    payment_provider: Annotated[str | None, Field(alias="PAYMENT_PROVIDER")] = None


def load_settings[S: TableSettings](model: type[S]) -> S:
    """Read the environment into the model.

    Raises
    ------
    SettingsError
        Names every variable that is missing or wrong, but not its value: environments hold secrets.
    """
    try:
        return model.model_validate(dict(os.environ))
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"Correct the function's environment variables: {faults}") from None
