"""What a person can do on the page: place orders, inject failures, end them. Each action answers what it did."""

import http.client
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from local.dynamodb import DynamoDBLocal
from local.page.deliveries import Deliveries
from local.page.payment_provider import LocalProvider, Mood
from local.page.table_watch import OrderRow, TableWatch
from local.stream_mapping import Invoke
from shared.order import to_timestamp

WRITES_AT_ONCE = 8
ANSWER_SECONDS = 60
NAMES = {"order", "mood", "mapping", "crash", "outage", "again", "recover", "clock", "end"}
Arguments = Mapping[str, Any]


class Refused(Exception):
    """The action cannot be done; the message says why."""


@dataclass
class Actions:
    """The actions: the methods of NAMES. The page shows a text that one returns."""

    api_port: int
    table_name: str
    provider: LocalProvider
    deliveries: Deliveries
    dynamodb: DynamoDBLocal
    recover_orders: Invoke
    watch: TableWatch
    is_dynamodb_away: bool = False
    api_key: str | None = None

    def injected_failures(self) -> list[str]:
        """Return the failures that are on."""
        is_on = {
            f"Payment provider {self.provider.mood}": self.provider.mood != "up",
            "Stream mapping paused": self.deliveries.is_paused,
            "The next charge kills its function": self.provider.is_to_crash,
            "DynamoDB Local is unavailable": self.is_dynamodb_away,
        }
        return [failure for failure, on in is_on.items() if on]

    def order(self, arguments: Arguments) -> dict[str, Any]:
        """Send a request to the API as a client would, and return its response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.api_port, timeout=ANSWER_SECONDS)
        keys = {"Idempotency-Key": arguments.get("key"), "x-api-key": self.api_key}
        headers = {"Content-Type": "application/json"} | {name: key for name, key in keys.items() if key}
        try:
            connection.request("POST", "/orders", arguments["body"].encode(), headers)
            response = connection.getresponse()
            is_replayed = response.headers["Idempotent-Replayed"] == "true"
            return {"status": response.status, "is_replayed": is_replayed, "body": response.read().decode()}
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Refused(f"The API did not answer: {error or type(error).__name__}.") from error
        finally:
            connection.close()

    def mood(self, arguments: Arguments) -> str:
        if arguments["mood"] not in get_args(Mood):
            raise Refused(f"The payment provider can only be {', '.join(get_args(Mood))}.")
        self.provider.mood = arguments["mood"]
        return f"The payment provider is {self.provider.mood}."

    def mapping(self, arguments: Arguments) -> str:
        self.deliveries.is_paused = bool(arguments["paused"])
        return f"The stream mapping is {'paused' if self.deliveries.is_paused else 'running'}."

    def crash(self, _: Arguments) -> str:
        self.provider.is_to_crash = True
        return "The next function that charges an order is killed right after the charge."

    def outage(self, _: Arguments) -> str:
        if self.is_dynamodb_away:
            raise Refused("DynamoDB Local is unavailable already.")
        began, self.is_dynamodb_away = time.monotonic(), True
        try:
            did = self.dynamodb.interrupt()
        finally:
            self.is_dynamodb_away = False
        return f"DynamoDB Local {did}: it was unavailable for {time.monotonic() - began:.1f} s."

    def again(self, _: Arguments) -> str:
        if not self.deliveries.deliver_again():
            raise Refused("Nothing has been delivered yet; place an order first.")
        return "The last batch was delivered once more."

    def recover(self, _: Arguments) -> str:
        result = self.recover_orders({}) or {}
        return f"RecoverOrders: {', '.join(f'{count} {name}' for name, count in result.items())}."

    def clock(self, arguments: Arguments) -> str:
        """Let hours pass for the orders that wait, and for the payment provider's memory."""
        passed = timedelta(hours=int(arguments["hours"]))
        self.provider.ledger.move_on(passed.total_seconds())
        with ThreadPoolExecutor(WRITES_AT_ONCE) as pool:
            moved = sum(pool.map(lambda row: self._move(row, passed), self.watch.pending()))
        return f"{arguments['hours']} h have passed for {moved} orders. RecoverOrders settles what is due."

    def end(self, _: Arguments) -> str:
        self.provider.mood, self.provider.is_to_crash, self.deliveries.is_paused = "up", False, False
        return "All injected failures have ended."

    def _move(self, row: OrderRow, passed: timedelta) -> bool:
        """Make an order older, unless it was settled meanwhile."""
        times = {"created_at": row.created_at, "due_at": row.due_at}
        earlier = {name: datetime.fromisoformat(time) - passed for name, time in times.items() if time}
        try:
            self.watch.dynamodb.update_item(
                TableName=self.table_name,
                Key={"order_id": {"S": row.order_id}},
                UpdateExpression=f"SET {', '.join(f'{name} = :{name}' for name in earlier)}",
                ConditionExpression="attribute_exists(pending_bucket)",
                ExpressionAttributeValues={f":{name}": {"S": to_timestamp(time)} for name, time in earlier.items()},
            )
        except self.watch.dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True
