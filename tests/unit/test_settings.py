"""The environment is read whole, and what is wrong with it is named."""

import pytest

from shared.settings import SettingsError, load_settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_TABLE", "order-processor-dev-orders")
    monkeypatch.setenv("PAYMENT_DELAY_SECONDS", "2")

    settings = load_settings()

    assert (settings.orders_table, settings.payment_delay_seconds) == ("order-processor-dev-orders", 2.0)


def test_every_missing_variable_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORDERS_TABLE")
    monkeypatch.delenv("PAYMENT_DELAY_SECONDS")

    with pytest.raises(SettingsError, match=r"^[^\n]*ORDERS_TABLE[^\n]*PAYMENT_DELAY_SECONDS[^\n]*$"):
        load_settings()


@pytest.mark.parametrize("delay", ["soon", "-1", "3600", "nan"])
def test_a_wrong_delay_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch, delay: str) -> None:
    monkeypatch.setenv("PAYMENT_DELAY_SECONDS", delay)

    with pytest.raises(SettingsError, match="PAYMENT_DELAY_SECONDS") as raised:
        load_settings()

    assert delay not in str(raised.value)
