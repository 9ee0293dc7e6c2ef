"""All that is known of one order: its item, its log lines and its trace."""

from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

from local.page.log_lines import FunctionLogs
from local.page.table_watch import CLIENT
from tools.local_run import xray_client
from tools.trace.order_trace import order_trace
from tools.trace.rows import rows
from tools.trace.xray import Traces

_plain = TypeDeserializer().deserialize


class OrderReader:
    """Reads one order for the page."""

    def __init__(self, table_name: str, xray_url: str, logs: FunctionLogs) -> None:
        self._table_name, self._logs = table_name, logs
        self._dynamodb, self._traces = (
            boto3.client("dynamodb", config=CLIENT),
            Traces(xray_client(xray_url), is_local=True),
        )

    def read(self, order_id: str) -> dict[str, Any]:
        """Return the item, the log lines, and the rows that `npm run trace` draws; an empty item if there is none."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key={"order_id": {"S": order_id}})
        item = {name: _plain(value) for name, value in answer.get("Item", {}).items()}
        logs = self._logs.of(order_id)
        documents = self._traces.read(item["trace_id"]) if "trace_id" in item else []
        trace = order_trace(documents, logs, self._table_name.removesuffix("-orders"))
        waterfall = [
            {"name": row.name, "depth": row.depth, "start": row.start, "end": row.end, "style": row.style}
            for row in rows(trace.documents)
        ]
        sources = trace.sources(self._traces.source)
        return {"order_id": order_id, "item": item, "logs": logs, "trace": waterfall, "sources": sources}
