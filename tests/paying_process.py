"""ProcessPayment in a process of its own, which can be killed: `python -m tests.paying_process ENDPOINT TABLE LEDGER`.

It reads the event from its standard input.
"""

import asyncio
import json
import sys
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import boto3

from functions import process_payment
from shared.order_table import OrderTable
from shared.payment import Receipt
from tests.builders import Context


class Ledger:
    """A payment provider whose memory is a folder: it outlives the processes that charge.

    With `hangs` it does not answer for every other order, though it charges them.
    """

    def __init__(self, folder: Path, *, hangs: bool = False) -> None:
        self._folder = folder
        self._hangs = hangs

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:  # noqa: ARG002  # all are equal
        with (self._folder / str(order_id)).open("a") as file:
            file.write("charged\n")
        await asyncio.sleep(3600 if self._hangs and order_id.int % 2 else 0)
        return Receipt(f"payment-{order_id}")

    async def find(self, order_id: UUID) -> Receipt | None:
        return Receipt(f"payment-{order_id}") if self.charges(order_id) else None

    def charges(self, order_id: UUID) -> int:
        """How often the order was charged."""
        file = self._folder / str(order_id)
        return len(file.read_text().splitlines()) if file.exists() else 0


if __name__ == "__main__":
    endpoint_url, table, folder = sys.argv[1:]
    process_payment.orders = OrderTable(table, boto3.client("dynamodb", endpoint_url=endpoint_url))
    process_payment.gateway = Ledger(Path(folder), hangs=True)
    process_payment.lambda_handler(json.load(sys.stdin), Context())
