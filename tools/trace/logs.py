"""Reads the log lines of one order: from the local run, or from CloudWatch Logs."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import requests

from tools.command import CommandFailed, permissions

FUNCTIONS = ("createOrder", "processPayment", "recoverOrders")
LONGEST_FILTERED = timedelta(days=1)  # FilterLogEvents is free, but reads a log group page by page
MOST_LINES = 10_000  # of a query ("Limit", CloudWatch Logs Insights query syntax)
POLL_SECONDS = 0.5
USD_A_GIGABYTE = 0.005  # "Amazon CloudWatch Pricing", Logs Insights


class Logs(Protocol):
    """The log lines of a stage. `notes` are for the operator."""

    notes: list[str]

    def read(self, order_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return the log lines of an order.

        Raises
        ------
        CommandFailed
            The caller may not read them, or they cannot be reached.
        """
        ...


class LocalLogs:
    """The log of the local run, which its order page keeps."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.notes: list[str] = []

    def read(self, order_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:  # noqa: ARG002  # Logs
        try:
            response = requests.get(f"http://127.0.0.1:{self._port}/orders/{order_id}/logs", timeout=10)
        except requests.ConnectionError:
            raise CommandFailed(f"No order page answers on port {self._port}: name it with --page-port.") from None
        lines: list[dict[str, Any]] = response.json()
        return lines


class CloudWatchLogs:
    """The functions' log groups of a deployed stage."""

    def __init__(self, client: Any, service: str, days: int) -> None:  # noqa: ANN401  # its stubs are not installed
        self._client, self._days = client, days
        self._groups = [f"/aws/lambda/{service}-{function}" for function in FUNCTIONS]
        self._queried: list[str] | None = None
        self.notes: list[str] = []

    def read(self, order_id: str, since: datetime, until: datetime) -> list[dict[str, Any]]:
        """Return the order's lines of this time. What spans more than a day is charged for, and read only once."""
        oldest = datetime.now(UTC) - timedelta(days=self._days)
        if since < oldest and not self.notes:
            self.notes.append(f"The logs are kept for {self._days} days, and this order is older.")
        if until <= oldest:
            return []
        since = max(since, oldest)
        with permissions("logs"):
            if until - since <= LONGEST_FILTERED:
                messages = self._filter(order_id, since, until)
            else:
                messages = self._queried = self._queried or self._query(order_id, since, until)
        return [json.loads(message) for message in messages if message.startswith("{")]

    def _filter(self, order_id: str, since: datetime, until: datetime) -> list[str]:
        paginator = self._client.get_paginator("filter_log_events")
        search = {"startTime": _ms(since), "endTime": _ms(until), "filterPattern": f'"{order_id}"'}
        return [
            event["message"]
            for group in self._groups
            for page in paginator.paginate(logGroupName=group, **search)
            for event in page["events"]
        ]

    def _query(self, order_id: str, since: datetime, until: datetime) -> list[str]:
        query = f'fields @message | filter @message like "{order_id}" | sort @timestamp | limit {MOST_LINES}'
        query_id = self._client.start_query(
            logGroupNames=self._groups, startTime=_ms(since) // 1000, endTime=_ms(until) // 1000, queryString=query
        )["queryId"]
        while (answer := self._client.get_query_results(queryId=query_id))["status"] in {"Scheduled", "Running"}:
            time.sleep(POLL_SECONDS)
        if answer["status"] != "Complete":
            raise CommandFailed(f"Logs Insights did not complete its query: {answer['status']}.")
        gigabytes = answer["statistics"]["bytesScanned"] / 1e9
        dollars = gigabytes * USD_A_GIGABYTE
        self.notes.append(f"Logs Insights scanned {gigabytes:.2f} GB, which cost {dollars:.3f} USD.")
        return [field["value"] for row in answer["results"] for field in row if field["field"] == "@message"]


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
