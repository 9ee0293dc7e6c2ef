"""The functions' environment, read once into a typed model."""

import os
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class SettingsError(RuntimeError):
    """An environment variable is missing or wrong; the message names it."""


class Settings(BaseModel):
    """What serverless.yml sets for the functions, each by the variable's own name."""

    model_config = ConfigDict(frozen=True)

    orders_table: Annotated[str, Field(alias="ORDERS_TABLE", min_length=1)]
    payment_delay_seconds: Annotated[float, Field(alias="PAYMENT_DELAY_SECONDS", ge=0, le=5)]
    recovery_grace_seconds: Annotated[float, Field(alias="RECOVERY_GRACE_SECONDS", ge=0)]


def load_settings() -> Settings:
    """Read the environment.

    Raises
    ------
    SettingsError
        Names every variable that is missing or wrong, but not its value: environments hold secrets.
    """
    try:
        return Settings.model_validate(dict(os.environ))
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"Set the function's environment variables right: {faults}") from None
