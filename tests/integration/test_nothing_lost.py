"""Nothing lost, nothing charged twice, when a real process is killed amid its payments on the real database.

What else can go wrong, in any order, is the simulation's (tests/integration/test_simulation.py).
"""

import json
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from functions import process_payment, recover_orders
from local.dynamodb import DynamoDBLocal
from local.service import ROOT
from shared import clock
from shared.order import Status
from shared.order_table import OrderTable
from tests.builders import Context, a_batch, an_order
from tests.conftest import ENVIRONMENT
from tests.paying_process import Ledger

PATIENCE_SECONDS = 60


def test_what_a_killed_process_has_charged_is_recorded_and_not_charged_again(
    dynamodb: DynamoDBLocal, orders: OrderTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = [orders.create(an_order()) for _ in range(40)]
    answered, unanswered = ([order for order in placed if order.order_id.int % 2 == odd] for odd in (0, 1))
    ledger = Ledger(tmp_path)
    for function in (process_payment, recover_orders):
        monkeypatch.setattr(function, "orders", orders)
        monkeypatch.setattr(function, "gateway", ledger)

    command = [sys.executable, "-m", "tests.paying_process", dynamodb.endpoint_url, orders.name, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env=os.environ | ENVIRONMENT, stdin=subprocess.PIPE, text=True) as process:
        assert process.stdin
        json.dump(a_batch(placed), process.stdin)
        process.stdin.close()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while any(orders.get(order.order_id).status is Status.PENDING for order in answered):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()

    assert {orders.get(order.order_id).status for order in unanswered} == {Status.PENDING}

    # Lambda delivers the first half of the batch again; the other half is RecoverOrders' six minutes later.
    process_payment.lambda_handler(a_batch(placed[:20]), Context())
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(minutes=6))
    recovered = recover_orders.lambda_handler({}, Context())

    left = [order for order in placed[20:] if order in unanswered]
    assert recovered == {"recovered": len(left), "deferred": 0, "failed": 0}
    assert [orders.get(order.order_id).payment_id for order in placed] == [
        f"payment-{each.order_id}" for each in placed
    ]
    assert {ledger.charges(order.order_id) for order in placed[20:]} == {1}
