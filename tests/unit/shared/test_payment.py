"""The simulated provider keeps the contract of a payment provider."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from shared import payment
from shared.payment import Declined, ProviderUnavailable, Receipt, SimulatedProvider, payment_provider
from shared.settings import PaymentSettings, load_settings
from tests.builders import FakeProvider


@pytest.fixture
def provider() -> SimulatedProvider:
    return SimulatedProvider(delay_seconds=0)


def charge(provider: payment.PaymentProvider, order_id: UUID | None = None, total: str = "699.80") -> Receipt:
    return asyncio.run(provider.charge(order_id=order_id or uuid4(), amount=Decimal(total), currency="BRL"))


def find(provider: payment.PaymentProvider, order_id: UUID) -> Receipt | None:
    return asyncio.run(provider.find(order_id))


def test_an_order_that_is_charged_again_is_the_same_payment_also_after_a_restart(provider: SimulatedProvider) -> None:
    order_id = uuid4()
    assert find(provider, order_id) is None

    receipt = charge(provider, order_id)

    assert UUID(receipt.payment_id)
    assert receipt == find(provider, order_id) == charge(provider, order_id)
    assert receipt == charge(SimulatedProvider(delay_seconds=0), order_id)
    assert receipt != charge(provider)


def test_a_total_of_402_is_declined(provider: SimulatedProvider) -> None:
    order_id = uuid4()

    with pytest.raises(Declined, match=r"^insufficient funds$"):
        charge(provider, order_id, total="402")
    assert find(provider, order_id) is None


def test_a_total_of_503_finds_the_provider_unavailable(provider: SimulatedProvider) -> None:
    with pytest.raises(ProviderUnavailable, match=r"^the payment provider does not answer$"):
        charge(provider, total="503.00")


def test_only_the_last_charges_are_remembered(provider: SimulatedProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "REMEMBERED_CHARGES", 2)
    order_ids = [uuid4() for _ in range(3)]

    for order_id in order_ids:
        charge(provider, order_id)

    assert [find(provider, order_id) is not None for order_id in order_ids] == [False, True, True]


def test_a_charge_takes_the_delay_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_DELAY_SECONDS", "1.5")
    waits = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)

    charge(payment_provider(load_settings(PaymentSettings)))

    assert waits == [1.5]


def test_another_provider_is_put_in_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDER", "tests.builders:FakeProvider")

    assert isinstance(payment_provider(load_settings(PaymentSettings)), FakeProvider)
