"""What a person can do on the page: place orders, cause faults, end them. Each action answers what it did."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, get_args

import boto3

from local.dynamodb import DynamoDBLocal
from local.page.deliveries import Deliveries
from local.page.table_watch import CLIENT, Row, TableWatch
from local.payment_provider import LocalProvider, Mood
from local.stream_mapping import FunctionError, Invoke
from shared.order import to_timestamp

LARGEST_BURST = 500
REQUESTS_AT_ONCE = 4  # each request at the same time is a process of its own in serverless-offline
WRITES_AT_ONCE = 8
ANSWER_SECONDS = 60
DYNAMODB_STARTS = "DynamoDB Local starts again"


class Refused(Exception):
    """The action cannot be done; the message says why."""


@dataclass
class Actions:
    """The actions, by the names under which the page calls them."""

    api_port: int
    table_name: str
    provider: LocalProvider
    deliveries: Deliveries
    dynamodb: DynamoDBLocal
    recover_orders: Invoke
    watch: TableWatch
    busy: str = ""
    burst: dict[str, Any] = field(default_factory=dict)

    def named(self, name: str) -> Callable[[Mapping[str, Any]], dict[str, Any]] | None:
        """Return the action of that name."""
        actions: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "order": self.place_order,
            "burst": self.place_burst,
            "gateway": self.set_gateway,
            "mapping": self.set_mapping,
            "crash": self.crash_function,
            "restart": self.restart_dynamodb,
            "again": self.deliver_again,
            "recover": self.run_recovery,
            "clock": self.move_clock,
            "end": self.end_faults,
        }
        return actions.get(name)

    def faults(self) -> list[str]:
        """Return the faults that are on, each in a few words."""
        return [
            *([f"Payment gateway {self.provider.mood}"] if self.provider.mood != "up" else []),
            *(["Stream mapping paused"] if self.deliveries.is_paused else []),
            *(["The next payment crashes its function"] if self.provider.is_to_crash else []),
            *([self.busy] if self.busy else []),
        ]

    def place_order(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Send a request to the API as a client would, and return its response."""
        return _post(self.api_port, str(arguments["body"]), arguments.get("key"))

    def place_burst(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Begin to place many orders; how far it has come is in `burst`."""
        count = max(1, min(int(arguments["count"]), LARGEST_BURST))
        if self.burst.get("sent", 0) < self.burst.get("count", 0):
            raise Refused("A burst is already on its way.")
        self.burst = {"count": count, "sent": 0, "refused": 0, "seconds": 0}
        threading.Thread(target=self._send_burst, args=(self.burst,), daemon=True).start()
        return {"said": f"Placing {count} orders …"}

    def set_gateway(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Set how the payment gateway answers."""
        if arguments["mood"] not in get_args(Mood):
            raise Refused("There is no such mood.")
        self.provider.mood = arguments["mood"]
        return {"said": f"The payment gateway is {self.provider.mood}."}

    def set_mapping(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Pause the stream mapping, or resume it."""
        self.deliveries.pause(paused=bool(arguments["paused"]))
        return {"said": f"The stream mapping is {'paused' if self.deliveries.is_paused else 'running'}."}

    def crash_function(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Have the process of a function killed in the middle of a payment."""
        self.provider.is_to_crash = True
        return {"said": "The next function that charges an order is killed right after the charge."}

    def restart_dynamodb(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Kill DynamoDB Local and start it again."""
        if self.busy:
            raise Refused(f"{self.busy}.")
        self.busy, began = DYNAMODB_STARTS, time.monotonic()
        try:
            self.dynamodb.restart()
        finally:
            self.busy = ""
        return {"said": f"DynamoDB Local was away for {time.monotonic() - began:.1f} s."}

    def deliver_again(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Deliver the last batch to ProcessPayment once more."""
        if self.deliveries.deliver_again() is None:
            raise Refused("Nothing has been delivered yet; place an order first.")
        return {"said": "The last batch was delivered once more."}

    def run_recovery(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Run RecoverOrders now."""
        try:
            result = self.recover_orders({}) or {}
        except FunctionError as error:
            raise Refused(f"RecoverOrders failed: {error}.") from error
        counts = ", ".join(f"{count} {name}" for name, count in result.items())
        return {"said": f"RecoverOrders: {counts or 'nothing'}."}

    def move_clock(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Let hours pass for the orders that wait, and for the payment provider's memory."""
        passed = timedelta(hours=int(arguments["hours"]))
        client = boto3.client("dynamodb", config=CLIENT)

        def move(row: Row) -> bool:
            moved = {name: _earlier(getattr(row, name), passed) for name in ("created_at", "due_at")}
            values = {f":{name}": {"S": value} for name, value in moved.items() if value}
            try:
                client.update_item(
                    TableName=self.table_name,
                    Key={"order_id": {"S": row.order_id}},
                    UpdateExpression=f"SET {', '.join(f'{name[1:]} = {name}' for name in values)}",
                    ConditionExpression="#status = :pending",
                    ExpressionAttributeNames={"#status": "status"},
                    ExpressionAttributeValues={**values, ":pending": {"S": "PENDING"}},
                )
            except client.exceptions.ConditionalCheckFailedException:
                return False  # it was settled meanwhile
            return True

        self.provider.ledger.move_on(passed.total_seconds())
        with ThreadPoolExecutor(WRITES_AT_ONCE) as pool:
            moved = sum(pool.map(move, self.watch.pending()))
        return {"said": f"{arguments['hours']} h have passed for {moved} orders. RecoverOrders settles what is due."}

    def end_faults(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """End every fault that is on."""
        self.provider.mood, self.provider.is_to_crash = "up", False
        self.deliveries.pause(paused=False)
        return {"said": "All faults have ended."}

    def _send_burst(self, burst: dict[str, Any]) -> None:
        began = time.monotonic()

        def send(number: int) -> int:
            item = {"sku": f"SKU-{number:03}", "quantity": 1 + number % 3, "unit_price": f"{10 + number}.90"}
            return int(
                _post(self.api_port, json.dumps({"customer_id": f"burst-{number:03}", "items": [item]}))["status"]
            )

        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            statuses = Counter[bool]()
            for status in pool.map(send, range(1, burst["count"] + 1)):
                statuses[status == http.HTTPStatus.CREATED] += 1
                burst |= {"refused": statuses[False], "seconds": round(time.monotonic() - began, 1)}
                burst["sent"] = statuses.total()


def _earlier(timestamp: str, passed: timedelta) -> str:
    return to_timestamp(datetime.fromisoformat(timestamp) - passed) if timestamp else ""


def _post(port: int, body: str, key: str | None = None) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        connection.request("POST", "/orders", body.encode(), headers)
        response = connection.getresponse()
        return {"status": response.status, "headers": response.getheaders(), "body": response.read().decode()}
    except (OSError, ValueError, http.client.HTTPException) as error:
        return {"status": 0, "headers": [], "body": f"No answer: {error or type(error).__name__}"}
    finally:
        connection.close()
