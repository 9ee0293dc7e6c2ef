"""The floor: what no function that stores an order can do without. A client of boto3's, and one put."""

import os
from typing import Any

import boto3

table = os.environ["ORDERS_TABLE"]
client = boto3.client("dynamodb")


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Store the item."""
    client.put_item(TableName=table, Item=event["item"])
