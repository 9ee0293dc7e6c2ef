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


def test_two_orders_are_two_payments() -> None:
    assert charge("699.80") != charge("699.80")


def test_a_total_of_402_is_declined() -> None:
    with pytest.raises(Declined, match="insufficient funds"):
        charge("402")


def test_a_total_of_503_finds_the_gateway_unavailable() -> None:
    with pytest.raises(GatewayUnavailable):
        charge("503.00")
