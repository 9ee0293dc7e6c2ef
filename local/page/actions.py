"""What a person can do on the page: place orders, inject failures, end them. Each action answers what it did."""

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from itertools import batched
from typing import Any

import boto3
import requests

from local.dynamodb import DynamoDBLocal
from local.page.deliveries import BATCHES, STREAM_HOURS, Deliveries
from local.page.payment_provider import LocalProvider, Mood
from local.page.table_watch import CLIENT, OrderRow, TableWatch
from local.stream_mapping import Invoke
from shared.order import to_timestamp
from shared.order_table import STATEMENTS_PER_CALL
from tools.repository import NEW_ORDER

REQUESTS_AT_ONCE = 4
ANSWER_SECONDS = 60
NAMES = {"order", "burst", "mood", "mapping", "crash", "outage", "again", "recover", "clock", "end"}


class Refused(Exception):
    """The action cannot be done; the message says why."""


@dataclass
class Actions:
    """The actions: the methods of NAMES, each with one argument. The page shows a text that one returns."""

    orders_url: str
    table_name: str
    provider: LocalProvider
    deliveries: Deliveries
    dynamodb: DynamoDBLocal
    recover_orders: Invoke
    watch: TableWatch
    is_dynamodb_away: bool = False
    api_key: str | None = None
    keys: dict[str, str] = field(default_factory=dict)  # the Idempotency-Key of each order that was placed with one

    def order(self, request: Mapping[str, str]) -> dict[str, Any]:
        """Send a request to the API as a client would, and return its response."""
        key = request["key"]
        keys = {"Idempotency-Key": key, "x-api-key": self.api_key}
        headers = {"Content-Type": "application/json"} | {name: value for name, value in keys.items() if value}
        try:
            response = requests.post(self.orders_url, request["body"].encode(), headers=headers, timeout=ANSWER_SECONDS)
            body = response.json()
        except (OSError, ValueError) as error:
            raise Refused(f"The API did not answer: {error or type(error).__name__}.") from error
        if key and "order_id" in body:
            self.keys[body["order_id"]] = key
        is_replayed = response.headers.get("Idempotent-Replayed") == "true"
        return {"status": response.status_code, "is_replayed": is_replayed, "body": body}

    def burst(self, count: str) -> str:
        orders = ({**NEW_ORDER, "customer_id": f"burst-{number}"} for number in range(1, int(count) + 1))
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            answers = pool.map(self.order, ({"body": json.dumps(order), "key": ""} for order in orders))
            created = sum(answer["status"] == HTTPStatus.CREATED for answer in answers)
        return f"{created} of {count} orders were created."

    def mood(self, mood: Mood) -> str:
        self.provider.mood = mood
        return f"The payment provider is {mood}."

    def mapping(self, state: str) -> str:
        self.deliveries.resumed.clear() if state == "paused" else self.deliveries.resumed.set()
        return f"The stream mapping is {state}."

    def crash(self, _: str) -> str:
        self.provider.is_to_crash = True
        return "The next function that charges an order is killed right after the charge."

    def outage(self, _: str) -> str:
        if self.is_dynamodb_away:
            raise Refused("DynamoDB Local is unavailable already.")
        began, self.is_dynamodb_away = time.monotonic(), True
        try:
            did = self.dynamodb.interrupt()
        finally:
            self.is_dynamodb_away = False
        return f"DynamoDB Local {did}: it was unavailable for {time.monotonic() - began:.1f} s."

    def again(self, order_id: str) -> str:
        """Deliver an order's stream record once more; without an id the last batch."""
        what = "record of this order" if order_id else "last batch"
        if not self.deliveries.deliver_again(order_id):
            known = f"among the last {BATCHES} batches that this run delivered"
            raise Refused(f"The {what} is not {known}, or the stream has trimmed it after {STREAM_HOURS} hours.")
        return f"The {what} was delivered once more."

    def recover(self, _: str) -> str:
        result = self.recover_orders({}) or {}
        return f"RecoverOrders: {', '.join(f'{count} {name}' for name, count in result.items())}."

    def clock(self, hours: str) -> str:
        """Let hours pass for the orders that wait, the stream's records and the payment provider's memory."""
        passed = timedelta(hours=int(hours))
        self.deliveries.move_on(int(hours))  # before the provider forgets: a record that is trimmed charges nothing
        self.provider.ledger.move_on(passed.total_seconds())
        client, moved = boto3.client("dynamodb", config=CLIENT), 0
        updates: Any = [self._earlier(row, passed) for row in self.watch.rows() if row.status == "PENDING"]
        for call in batched(updates, STATEMENTS_PER_CALL, strict=False):
            responses = client.batch_execute_statement(Statements=call)["Responses"]
            moved += sum("Error" not in response for response in responses)
        return f"{hours} h have passed for {moved} orders. RecoverOrders settles what is due."

    def end(self, _: str) -> str:
        self.provider.mood, self.provider.is_to_crash = "up", False
        self.deliveries.resumed.set()
        return "All injected failures have ended."

    def _earlier(self, row: OrderRow, passed: timedelta) -> dict[str, Any]:
        """Return the statement that makes an order older, unless it has changed meanwhile."""
        times = [to_timestamp(datetime.fromisoformat(time) - passed) for time in (row.created_at, row.due_at)]
        statement = f'UPDATE "{self.table_name}" SET "created_at"=? SET "due_at"=? WHERE "order_id"=? AND "due_at"=?'  # noqa: S608  # ours
        return {"Statement": statement, "Parameters": [{"S": value} for value in (*times, row.order_id, row.due_at)]}
