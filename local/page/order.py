"""All that is known of one order: its item, its log lines and its trace."""

import json
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import BotoCoreError, ClientError

from local.page.logs import FunctionLogs
from local.page.table_watch import CLIENT
from local.xray import local_client
from tools.waterfall import rows

MOST_ROWS = 200
_plain = TypeDeserializer().deserialize


class OrderReader:
    """Reads one order for the page."""

    def __init__(self, table_name: str, xray_url: str, logs: FunctionLogs) -> None:
        self._table_name, self._logs = table_name, logs
        self._dynamodb = boto3.client("dynamodb", config=CLIENT)
        self._xray = local_client(xray_url)

    def read(self, order_id: str) -> dict[str, Any]:
        """Return the order as the page shows it; without an item if there is none."""
        try:
            answer = self._dynamodb.get_item(TableName=self._table_name, Key={"order_id": {"S": order_id}})
            item = answer.get("Item", {})
            trace = self._trace(item)
        except (BotoCoreError, ClientError) as error:
            return {"order_id": order_id, "error": type(error).__name__}
        plain = {name: _plain(value) for name, value in item.items()}
        return {"order_id": order_id, "item": plain, "logs": self._logs.of(order_id), "trace": trace}

    def _trace(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """The rows of `npm run trace`: name, depth, times in seconds and how it went."""
        if "trace_id" not in item:
            return []
        traces = self._xray.batch_get_traces(TraceIds=[item["trace_id"]["S"]])["Traces"]
        documents = [json.loads(segment["Document"]) for trace in traces for segment in trace["Segments"]]
        return [
            {"name": row.name, "depth": row.depth, "start": row.start, "end": row.end, "style": row.style}
            for row in rows(documents)[:MOST_ROWS]
        ]
