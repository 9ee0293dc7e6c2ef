"""ProcessPayment as usually written with asyncio: the payments wait together, each is recorded by an UpdateItem."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config

DELAY_SECONDS = float(os.environ["PAYMENT_DELAY_SECONDS"])
THREADS = 32  # the most that Python's default executor has

table = os.environ["ORDERS_TABLE"]
client = boto3.client("dynamodb", config=Config(max_pool_connections=THREADS))


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Settle a batch of orders."""
    asyncio.run(_settle_all([record["dynamodb"]["Keys"] for record in event["Records"]]))


async def _settle_all(keys: list[dict[str, Any]]) -> None:
    async def settle(key: dict[str, Any]) -> None:
        await asyncio.sleep(DELAY_SECONDS)
        await asyncio.get_running_loop().run_in_executor(pool, _update, key)

    with ThreadPoolExecutor(THREADS) as pool:
        await asyncio.gather(*map(settle, keys))


def _update(key: dict[str, Any]) -> None:
    client.update_item(
        TableName=table,
        Key=key,
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
