"""The payment provider that the functions ask in unit and integration tests."""

import pytest

from functions import process_payment, recover_orders
from tests.builders import FakeProvider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """The payment provider that the functions ask."""
    provider = FakeProvider()
    for function in (process_payment, recover_orders):
        monkeypatch.setattr(function, "provider", provider)
    return provider
