"""The functions' environment is read into typed settings, and what is wrong with it is named."""

import os
import traceback

import pytest

from shared.settings import PaymentSettings, SettingsError, TableSettings, load_settings

VARIABLES = ("ORDERS_TABLE", "PAYMENT_DELAY_SECONDS", "PAYMENT_DEADLINE_SECONDS")


def test_the_environment_is_read() -> None:
    assert load_settings(PaymentSettings).model_dump() == {
        "orders_table": "orders",
        "payment_delay_seconds": 0.0,
        "payment_deadline_seconds": 259_200.0,
        "payment_provider": None,
    }


@pytest.mark.parametrize(("model", "variables"), [(TableSettings, 1), (PaymentSettings, 3)])
def test_a_function_needs_the_variables_that_it_uses_and_no_others(
    monkeypatch: pytest.MonkeyPatch, model: type[TableSettings], variables: int
) -> None:
    used, others = VARIABLES[:variables], VARIABLES[variables:]
    for name in others:
        monkeypatch.delenv(name)
    assert load_settings(model)

    for name in used:
        monkeypatch.delenv(name)
    with pytest.raises(SettingsError) as raised:
        load_settings(model)
    assert str(raised.value) == "Correct the function's environment variables: " + "; ".join(
        f"{name}: Field required" for name in used
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORDERS_TABLE", ""),
        ("PAYMENT_DELAY_SECONDS", "-0.1"),
        ("PAYMENT_DELAY_SECONDS", "5.1"),
        ("PAYMENT_DELAY_SECONDS", "nan"),
        ("PAYMENT_DEADLINE_SECONDS", "0"),
    ],
)
def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=f"^Correct the function's environment variables: {name}: "):
        load_settings(PaymentSettings)


def test_the_value_of_a_variable_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_DELAY_SECONDS", "secret")

    with pytest.raises(SettingsError) as raised:
        load_settings(PaymentSettings)

    assert "secret" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [("PAYMENT_DELAY_SECONDS", "0"), ("PAYMENT_DELAY_SECONDS", "5"), ("PAYMENT_DEADLINE_SECONDS", "0.5")],
)
def test_the_ends_of_the_ranges_are_allowed(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)

    assert load_settings(PaymentSettings).model_dump()[name.lower()] == float(os.environ[name])
