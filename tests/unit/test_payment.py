"""The simulated provider keeps the contract of a payment gateway."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from shared import payment
from shared.payment import Declined, GatewayUnavailable, Receipt, SimulatedGateway, payment_gateway
from shared.settings import PaymentSettings, load_settings
from tests.builders import Gateway


@pytest.fixture
def gateway() -> SimulatedGateway:
    return SimulatedGateway(delay_seconds=0)


def charge(gateway: payment.PaymentGateway, order_id: UUID | None = None, total: str = "699.80") -> Receipt:
    return asyncio.run(gateway.charge(order_id=order_id or uuid4(), amount=Decimal(total), currency="BRL"))


def find(gateway: payment.PaymentGateway, order_id: UUID) -> Receipt | None:
    return asyncio.run(gateway.find(order_id))


def test_an_order_that_is_charged_again_is_the_same_payment_also_after_a_restart(gateway: SimulatedGateway) -> None:
    order_id = uuid4()

    receipt = charge(gateway, order_id)

    assert UUID(receipt.payment_id)
    assert receipt == charge(gateway, order_id) == charge(SimulatedGateway(delay_seconds=0), order_id)
    assert receipt != charge(gateway)


def test_a_charge_is_found(gateway: SimulatedGateway) -> None:
    order_id = uuid4()
    assert find(gateway, order_id) is None

    receipt = charge(gateway, order_id)

    assert find(gateway, order_id) == receipt


def test_a_total_of_402_is_declined(gateway: SimulatedGateway) -> None:
    order_id = uuid4()

    with pytest.raises(Declined, match=r"^insufficient funds$"):
        charge(gateway, order_id, total="402")
    assert find(gateway, order_id) is None


def test_a_total_of_503_finds_the_gateway_unavailable(gateway: SimulatedGateway) -> None:
    with pytest.raises(GatewayUnavailable, match=r"^the payment gateway does not answer$"):
        charge(gateway, total="503.00")


def test_only_the_last_charges_are_remembered(gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment, "REMEMBERED_CHARGES", 2)
    order_ids = [uuid4() for _ in range(3)]

    for order_id in order_ids:
        charge(gateway, order_id)

    assert [find(gateway, order_id) is not None for order_id in order_ids] == [False, True, True]


def test_a_charge_takes_the_delay_that_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_DELAY_SECONDS", "1.5")
    waits = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", wait)

    charge(payment_gateway(load_settings(PaymentSettings)))

    assert waits == [1.5]


def test_another_gateway_is_put_in_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_GATEWAY", "tests.builders:Gateway")

    assert isinstance(payment_gateway(load_settings(PaymentSettings)), Gateway)
