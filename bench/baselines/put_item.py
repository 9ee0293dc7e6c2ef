"""The least that a function can do to store an order: create boto3's client, and put one item."""

import os
from typing import Any

import boto3

table = os.environ["ORDERS_TABLE"]
client = boto3.client("dynamodb")


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Store the item."""
    client.put_item(TableName=table, Item=event["item"])
