"""The simulated gateway keeps the contract of a payment gateway."""

import asyncio
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from shared.payment import Declined, GatewayUnavailable, Receipt, SimulatedGateway


def charge(total: str, *, order_id: UUID | None = None) -> Receipt:
    gateway = SimulatedGateway(delay_seconds=0)
    return asyncio.run(gateway.charge(order_id=order_id or uuid4(), amount=Decimal(total), currency="BRL"))


def test_a_charge_is_answered_with_a_receipt() -> None:
    assert charge("699.80").payment_id


def test_the_same_order_again_is_the_same_payment() -> None:
    order_id = uuid4()

    assert charge("699.80", order_id=order_id) == charge("699.80", order_id=order_id)


def test_the_ledger_counts_an_order_once_however_often_it_is_charged() -> None:
    gateway, order_id = SimulatedGateway(delay_seconds=0), uuid4()

    async def charge_both() -> None:
        for each in (order_id, order_id, uuid4()):
            await gateway.charge(order_id=each, amount=Decimal(1), currency="BRL")

    asyncio.run(charge_both())

    assert len(gateway.ledger) == 2


def test_two_orders_are_two_payments() -> None:
    assert charge("699.80") != charge("699.80")


def test_a_total_of_402_is_declined() -> None:
    with pytest.raises(Declined, match="insufficient funds"):
        charge("402")


def test_a_total_of_503_finds_the_gateway_unavailable() -> None:
    with pytest.raises(GatewayUnavailable):
        charge("503.00")
