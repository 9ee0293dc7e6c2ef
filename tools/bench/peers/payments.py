"""ProcessPayment as it is usually written: the same payments, one update for each order."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

DELAY_SECONDS = float(os.environ["PAYMENT_DELAY_SECONDS"])
THREADS = 32  # as many as Python's default executor has at most

table = os.environ["ORDERS_TABLE"]
client = boto3.client("dynamodb", config=Config(max_pool_connections=THREADS))
deserialize = TypeDeserializer().deserialize


def sequential(event: dict[str, Any], _context: object) -> None:
    """A loop."""
    for order in _orders(event):
        time.sleep(DELAY_SECONDS)
        _update(order)


def thread_pool(event: dict[str, Any], _context: object) -> None:
    """A pool of threads, each of which pays for an order and updates it."""

    def settle(order: dict[str, Any]) -> None:
        time.sleep(DELAY_SECONDS)
        _update(order)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(settle, _orders(event)))


def concurrent(event: dict[str, Any], _context: object) -> None:
    """Coroutines that wait together; then one update for each, as many at a time as there are threads."""

    async def settle(order: dict[str, Any], pool: ThreadPoolExecutor) -> None:
        await asyncio.sleep(DELAY_SECONDS)
        await asyncio.get_running_loop().run_in_executor(pool, _update, order)

    async def settle_all() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            await asyncio.gather(*(settle(order, pool) for order in _orders(event)))

    asyncio.run(settle_all())


def _orders(event: dict[str, Any]) -> list[dict[str, Any]]:
    images = [record["dynamodb"]["NewImage"] for record in event["Records"]]
    return [{name: deserialize(value) for name, value in image.items()} for image in images]


def _update(order: dict[str, Any]) -> None:
    client.update_item(
        TableName=table,
        Key={"order_id": {"S": order["order_id"]}},
        UpdateExpression="SET #status = :status, payment_id = :payment_id, processed_at = :now REMOVE pending_bucket",
        ConditionExpression="#status = :pending",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": {"S": "PROCESSED"},
            ":pending": {"S": "PENDING"},
            ":payment_id": {"S": str(uuid4())},
            ":now": {"S": datetime.now(UTC).isoformat()},
        },
    )
