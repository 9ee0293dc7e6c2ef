"""The clients of the API, who repeat a request that failed with the same Idempotency-Key."""

import itertools
import json
import random
from dataclasses import dataclass
from typing import Any

from local.stream_mapping import FunctionError
from shared.order import idempotent_order_id
from simulation.aws.lambda_functions import Function
from simulation.plan import BACKLOG, HOUR, Phase, Plan
from simulation.promises.orders import Promises
from simulation.virtual.time import VirtualTime

CALLER = "caller"
SUCCESS, REPLAYED = 201, 200
# Answers to try again: an error of ours, API Gateway's for a function that failed, and a table that is unavailable.
TRY_AGAIN = {500, 502, 503}


@dataclass
class Clients:
    """Sends the orders of each phase; each client at most `requests_per_second`."""

    virtual_time: VirtualTime
    create_order: Function
    promises: Promises
    plan: Plan
    chance: random.Random
    requests_per_second: float
    sent: int = 0

    def start(self, phase: Phase) -> None:
        """Have the phase's orders sent: in bursts, or one now and then."""
        left = phase.orders
        while left:
            burst = min(left, self.chance.choice([1, 1, 1, 2, 5, 20, 100, 200]))
            left -= burst
            start = self.plan.draw_start(phase, self.chance)
            bucket = self.plan.bucket if phase.kind == BACKLOG else ""
            pace = max(self.chance.choice([0.02, 0.05, 0.3]), 1 / self.requests_per_second)
            self.virtual_time.start(self._client(burst, pace, bucket), after=start - self.virtual_time.now)

    def _client(self, orders: int, pace: float, bucket: str) -> Any:  # noqa: ANN401
        def send_all() -> None:
            for _ in range(orders):
                self.sent += 1
                self._send(self.sent, self._key(bucket) if self.chance.random() < 0.8 else None)  # of all
                self.virtual_time.sleep(self.chance.expovariate(1 / pace))

        return send_all

    def _key(self, bucket: str) -> str:
        """Return a new Idempotency-Key, whose order is in this bucket of the index; in any, if it is empty."""
        keys = (f"key-{self.sent}-{number}" for number in itertools.count())
        return next(key for key in keys if str(idempotent_order_id(CALLER, key)).startswith(bucket))

    def _send(self, number: int, key: str | None) -> None:
        cents = self.chance.randint(100, 99_999)
        item = {"sku": f"sku-{number % 100}", "quantity": 1, "unit_price": f"{cents // 100}.{cents % 100:02d}"}
        body = {"customer_id": f"c-{number % 1000}", "items": [item]}
        status, order_id = self._post(body, key)
        while status in TRY_AGAIN and key:
            self.virtual_time.sleep(self.chance.uniform(1, 10))
            status, order_id = self._post(body, key)
        if status not in {SUCCESS, REPLAYED, *TRY_AGAIN}:
            self.promises.broken(f"a valid order is accepted: {status}")
        if order_id:
            self.promises.answered(order_id)
        if key and order_id and order_id != str(idempotent_order_id(CALLER, key)):
            self.promises.broken(f"an Idempotency-Key stands for one order: {key}")
        if key and self.chance.random() < 0.02:  # some clients lose what they were answered
            again = self.chance.uniform(0, 10 * HOUR)
            self.virtual_time.start(lambda: self._repeat(body, key), after=again)

    def _repeat(self, body: dict[str, Any], key: str) -> None:
        status, _ = self._post(body, key)
        if status not in {REPLAYED, *TRY_AGAIN}:
            self.promises.broken(f"a replayed Idempotency-Key answers with its order: {key}, {status}")

    def _post(self, body: dict[str, Any], key: str | None) -> tuple[int, str | None]:
        identity = {"apiKeyId": CALLER, "sourceIp": "127.0.0.1"}
        event = {
            "httpMethod": "POST",
            "path": "/orders",
            "multiValueHeaders": {"Idempotency-Key": [key]} if key else {},
            "body": json.dumps(body),
            "requestContext": {"requestId": "r", "path": "/orders", "identity": identity},
        }
        try:
            answer = self.create_order.invoke(event)
        except FunctionError:
            return 502, None
        return answer["statusCode"], json.loads(answer["body"]).get("order_id")
