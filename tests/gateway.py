"""The payment gateway that the functions ask in unit and integration tests."""

import pytest

from functions import process_payment, recover_orders
from tests.builders import Gateway


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """The payment gateway that the functions ask."""
    gateway = Gateway()
    for function in (process_payment, recover_orders):
        monkeypatch.setattr(function, "gateway", gateway)
    return gateway
