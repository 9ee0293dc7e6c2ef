"""The local payment provider: its ledger is shared by processes, and its failures are those that were injected."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from local.page.payment_provider import Ledger, LocalProvider, Mood
from shared.payment import ProviderUnavailable, Receipt

DAY_SECONDS = 24 * 3600


def charge(provider: LocalProvider, order_id: UUID) -> Receipt:
    return asyncio.run(provider.charge(order_id=order_id, amount=Decimal(10), currency="BRL"))


def test_whoever_charges_the_same_orders_at_the_same_time_makes_the_same_payments(tmp_path: Path) -> None:
    order_ids = [str(uuid4()) for _ in range(200)]
    ledgers = [Ledger(tmp_path / "ledger") for _ in range(3)]  # each locks the file as one of another process does

    with ThreadPoolExecutor(len(ledgers)) as threads:
        payments = list(threads.map(lambda ledger: [ledger.charge(order_id) for order_id in order_ids], ledgers))

    assert payments[0] == payments[1] == payments[2]
    assert len(set(payments[0])) == 200


def test_a_key_is_forgotten_after_a_day_and_a_second_charge_is_counted(tmp_path: Path) -> None:
    provider, order_id = LocalProvider(tmp_path), uuid4()
    receipt = charge(provider, order_id)
    provider.ledger.move_on(DAY_SECONDS - 60)
    assert charge(provider, order_id) == receipt
    provider.ledger.move_on(120)

    assert charge(provider, order_id) != receipt
    assert provider.ledger.charged_twice() == 1


@pytest.mark.parametrize(
    ("mood", "error"), [("failing", ProviderUnavailable), ("slow", TimeoutError), ("hanging", TimeoutError)]
)
def test_the_mood_is_the_same_in_all_processes(tmp_path: Path, mood: Mood, error: type[Exception]) -> None:
    here, there = LocalProvider(tmp_path), LocalProvider(tmp_path)
    here.mood = mood

    charging = there.charge(order_id=uuid4(), amount=Decimal(10), currency="BRL")
    with pytest.raises(error):
        asyncio.run(asyncio.wait_for(charging, 0.05))
