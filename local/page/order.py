"""All that is known of one order: its item, its log lines and its trace."""

import json
from typing import Any

import boto3
from boto3.dynamodb.types import TypeDeserializer

from local.page.log_lines import FunctionLogs
from local.page.table_watch import CLIENT
from tools.local_run import xray_client
from tools.trace.rows import rows

_plain = TypeDeserializer().deserialize


class OrderReader:
    """Reads one order for the page."""

    def __init__(self, table_name: str, xray_url: str, logs: FunctionLogs) -> None:
        self._table_name, self._logs = table_name, logs
        self._dynamodb, self._xray = boto3.client("dynamodb", config=CLIENT), xray_client(xray_url)

    def read(self, order_id: str) -> dict[str, Any]:
        """Return the item, the log lines, and the rows that `npm run trace` draws; an empty item if there is none."""
        answer = self._dynamodb.get_item(TableName=self._table_name, Key={"order_id": {"S": order_id}})
        item = {name: _plain(value) for name, value in answer.get("Item", {}).items()}
        logs = [json.loads(line) for line in self._logs.lines.get(order_id, [])]
        traces = self._xray.batch_get_traces(TraceIds=[item["trace_id"]])["Traces"] if "trace_id" in item else []
        documents = [json.loads(segment["Document"]) for trace in traces for segment in trace["Segments"]]
        trace = [
            {"name": row.name, "depth": row.depth, "start": row.start, "end": row.end, "style": row.style}
            for row in rows(documents)
        ]
        return {"order_id": order_id, "item": item, "logs": logs, "trace": trace}
