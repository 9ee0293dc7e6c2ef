"""The least that a batch takes: the calls that record its outcomes, two at a time, once the payments have ended."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

CALLS_AT_ONCE = 2

client = boto3.client("dynamodb")
threads = ThreadPoolExecutor(CALLS_AT_ONCE)


def lambda_handler(event: dict[str, Any], _context: object) -> None:
    """Make the calls. Each has its statements, and the time from which it can be made."""
    began = time.monotonic()

    def make(call: dict[str, Any]) -> None:
        time.sleep(max(began + call["from_seconds"] - time.monotonic(), 0))
        client.batch_execute_statement(Statements=call["statements"])

    list(threads.map(make, event["calls"]))
