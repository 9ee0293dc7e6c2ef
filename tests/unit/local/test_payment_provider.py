"""The local payment provider: its ledger is shared by processes, and its failures are those that were injected."""

import asyncio
import os
import signal
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
    assert Ledger(tmp_path / "ledger").charged_twice() == 0


def test_a_key_is_forgotten_after_a_day_and_a_second_charge_is_counted(tmp_path: Path) -> None:
    provider, order_id = LocalProvider(tmp_path), uuid4()
    receipt = charge(provider, order_id)
    provider.ledger.move_on(DAY_SECONDS - 60)
    assert charge(provider, order_id) == receipt
    provider.ledger.move_on(120)

    assert charge(provider, order_id) != receipt
    assert provider.ledger.charged_twice() == 1


def test_an_entry_that_is_being_written_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, order_id = tmp_path / "ledger", str(uuid4())
    ledger = Ledger(path)
    payment_id = Ledger(path).charge(order_id)
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    assert ledger.find(order_id) is None
    path.write_bytes(whole)

    assert ledger.find(order_id) == payment_id


def test_the_mood_is_the_same_in_all_processes(tmp_path: Path) -> None:
    here, there = LocalProvider(tmp_path), LocalProvider(tmp_path)
    assert there.mood == "up"

    here.mood = "failing"

    with pytest.raises(ProviderUnavailable):
        charge(there, uuid4())
    with pytest.raises(ProviderUnavailable):
        asyncio.run(there.find(uuid4()))


@pytest.mark.parametrize("mood", ["slow", "hanging"])
def test_a_slow_or_hanging_provider_keeps_the_caller_waiting(tmp_path: Path, mood: Mood) -> None:
    provider, order_id = LocalProvider(tmp_path), uuid4()
    provider.mood = mood

    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(provider.charge(order_id=order_id, amount=Decimal(1), currency="BRL"), 0.05))

    assert provider.ledger.find(str(order_id)) is None


def test_a_crash_ends_the_process_after_the_charge_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, order_id, killed = LocalProvider(tmp_path), uuid4(), list[tuple[int, int]]()
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    provider.is_to_crash = True

    receipt = charge(provider, order_id)
    charge(provider, uuid4())

    assert killed == [(os.getpid(), signal.SIGKILL)]
    assert provider.ledger.find(str(order_id)) == receipt.payment_id
    assert not provider.is_to_crash
