"""The payment provider of the local run: one for all processes of the functions, with failures that a person injects.

Its folder holds the mood, the ledger (a line for each charge, appended under a lock) and, while one is wanted, the
request to crash. The functions' environment names it; a deployed function has neither that nor this module.
"""

import asyncio
import fcntl
import json
import os
import signal
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Literal
from uuid import UUID, uuid4

from shared.payment import DECLINED_TOTAL, UNAVAILABLE_TOTAL, Declined, ProviderUnavailable, Receipt
from shared.settings import PaymentSettings

FOLDER_VARIABLE = "LOCAL_PAYMENT_PROVIDER"
REMEMBERED_SECONDS = 24 * 3600  # of an idempotency key; shared/payment.py asks for no more
SLOW_SECONDS = 8.0  # just within PROVIDER_TIMEOUT_SECONDS
LONGER_THAN_ANY_TIMEOUT_SECONDS = 3600

Mood = Literal["up", "slow", "failing", "hanging"]


class Ledger:
    """All charges ever made. The clock can be moved on, so that a person need not wait for a key to be forgotten."""

    def __init__(self, path: Path) -> None:
        path.touch()
        self._path = path
        self._lock = threading.Lock()
        self._position = 0
        self._moved_on_seconds = 0.0
        self._last: dict[str, tuple[str, float]] = {}  # of each order: the payment, and when it was made
        self.charges = Counter[str]()

    def read(self) -> None:
        """Take in what other processes have appended."""
        with self._lock, self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._position += len(line)
                entry = json.loads(line)
                self._moved_on_seconds += entry.get("moved_on_seconds", 0)
                if "order_id" in entry:
                    self._last[entry["order_id"]] = entry["payment_id"], entry["charged_at"]
                    self.charges[entry["order_id"]] += 1

    def charge(self, order_id: str) -> str:
        """Charge, unless this order's idempotency key is remembered; returns the payment's id."""
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the file is closed
            self.read()
            payment_id, charged_at = self._last.get(order_id, ("", 0.0))
            if self._now() - charged_at < REMEMBERED_SECONDS:
                return payment_id
            payment_id = str(uuid4())
            self._append(file.fileno(), order_id=order_id, payment_id=payment_id, charged_at=self._now())
            return payment_id

    def find(self, order_id: str) -> str | None:
        """Return the id of the order's last payment, however old it is."""
        self.read()
        return self._last.get(order_id, (None, 0.0))[0]

    def charged_twice(self) -> int:
        """Count the orders that were charged more than once."""
        self.read()
        return sum(charges > 1 for charges in self.charges.values())

    def move_on(self, seconds: float) -> None:
        """Let that much time pass."""
        with self._path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._append(file.fileno(), moved_on_seconds=seconds)

    def _now(self) -> float:
        return time.time() + self._moved_on_seconds

    def _append(self, file: int, **entry: object) -> None:
        os.write(file, json.dumps(entry).encode() + b"\n")


class LocalProvider:
    """A provider that takes `delay_seconds` to charge, the charge being made halfway."""

    def __init__(self, folder: Path, delay_seconds: float = 0) -> None:
        self._mood, self._crash = folder / "mood", folder / "crash"
        self._delay_seconds = delay_seconds
        self.ledger = Ledger(folder / "ledger")

    @property
    def mood(self) -> Mood:
        """How it answers every call from now on, in all processes."""
        return self._mood.read_text() if self._mood.exists() else "up"  # type: ignore[return-value]  # we wrote it

    @mood.setter
    def mood(self, mood: Mood) -> None:
        new = self._mood.with_suffix(".new")
        new.write_text(mood)
        new.rename(self._mood)  # a reader sees the old or the new one, never an empty file

    @property
    def is_to_crash(self) -> bool:
        """Whether the next process to charge an order ends right after that, as when Lambda loses it."""
        return self._crash.exists()

    @is_to_crash.setter
    def is_to_crash(self, wanted: bool) -> None:
        self._crash.touch() if wanted else self._crash.unlink(missing_ok=True)

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # no currency differs
        delay_seconds = await self._delay()
        await asyncio.sleep(delay_seconds / 2)
        if amount == DECLINED_TOTAL:
            raise Declined("insufficient funds")
        if amount == UNAVAILABLE_TOTAL:
            raise ProviderUnavailable("the payment provider does not answer")
        receipt = Receipt(self.ledger.charge(str(order_id)))
        self._crash_if_wanted()
        await asyncio.sleep(delay_seconds / 2)
        return receipt

    async def find(self, order_id: UUID) -> Receipt | None:
        await self._delay()
        payment_id = self.ledger.find(str(order_id))
        return Receipt(payment_id) if payment_id else None

    async def _delay(self) -> float:
        mood = self.mood
        if mood == "failing":
            raise ProviderUnavailable("the payment provider answers 503")
        if mood == "hanging":
            await asyncio.sleep(LONGER_THAN_ANY_TIMEOUT_SECONDS)
        return SLOW_SECONDS if mood == "slow" else self._delay_seconds

    def _crash_if_wanted(self) -> None:
        try:
            self._crash.unlink()  # of all processes one succeeds
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


def provider(settings: PaymentSettings) -> LocalProvider:
    """Make the provider that a function of the local run uses."""
    return LocalProvider(Path(os.environ[FOLDER_VARIABLE]), settings.payment_delay_seconds)
