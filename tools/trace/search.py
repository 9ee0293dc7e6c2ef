"""Where the trace of one order is looked for: X-Ray or Transaction Search, then the functions' logs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import requests
from aws_xray_sdk.core.models.trace_header import TraceHeader

from shared.order import OrderNotFound
from shared.order_table import OrderTable
from tools.command import CommandFailed
from tools.local_run import no_local_run, xray_client
from tools.stage import SERVICE, Stage
from tools.trace.logs import CloudWatchLogs, LocalLogs, Logs
from tools.trace.order_trace import OrderTrace, order_trace
from tools.trace.waterfall import is_complete
from tools.trace.xray import Traces

# After an attempt its segment may still come.
XRAY_SECONDS, LOCAL_XRAY_SECONDS = 10, 1
LOG_DELAY = timedelta(minutes=5)  # after an order's end its last line may still come


@dataclass
class Search:
    """An order, and the sources of its trace. `notes` tell what could not be read, and why."""

    order_id: str
    trace_id: str | None
    created_at: datetime
    ended_at: datetime | None
    service: str
    traces: Traces
    logs: Logs
    xray_seconds: float
    notes: list[str] = field(default_factory=list)

    def read(self) -> OrderTrace:
        """Read what there is now: from X-Ray, and from the logs only what X-Ray lacks."""
        self.notes = []
        documents: list[dict[str, Any]] = []
        lines: Sequence[dict[str, Any]] = []
        try:
            documents = self.traces.read(self.trace_id) if self.trace_id else []
        except CommandFailed as failure:
            self.notes.append(str(failure))
        if not is_complete(documents, self.order_id):
            until = self.ended_at + LOG_DELAY if self.ended_at else datetime.now(UTC)
            try:
                lines = self.logs.read(self.order_id, self.created_at, until)
            except CommandFailed as failure:
                self.notes.append(str(failure))
            self.notes += self.logs.notes
        return order_trace(documents, lines, self.service)

    def is_over(self, trace: OrderTrace) -> bool:
        """Whether the trace is complete. What only the log tells at first may still come to X-Ray."""
        if not is_complete(trace.documents, self.order_id):
            return False
        ended = max(float(document["end_time"]) for document in trace.documents)
        return not trace.logged or time.time() - ended > self.xray_seconds


def search_local_run(order_id: UUID, port: int, xray_port: int, page_port: int) -> Search:
    """Look for an order of `npm start`.

    Raises
    ------
    CommandFailed, OrderNotFound
    """
    try:
        response = requests.get(f"http://127.0.0.1:{port}/orders/{order_id}", timeout=10)
    except requests.ConnectionError:
        raise no_local_run(port) from None
    if response.status_code == requests.codes.not_found:
        raise OrderNotFound
    order = response.json()
    return Search(
        order_id=str(order_id),
        trace_id=order.get("trace_id"),
        created_at=datetime.fromisoformat(order["created_at"]),
        ended_at=None,
        service=f"{SERVICE}-dev",
        traces=Traces(xray_client(f"http://127.0.0.1:{xray_port}"), is_local=True),
        logs=LocalLogs(page_port),
        xray_seconds=LOCAL_XRAY_SECONDS,
    )


def search_stage(order_id: UUID, stage: Stage) -> Search:
    """Look for an order of a deployed stage, with the caller's own credentials.

    Raises
    ------
    CommandFailed, OrderNotFound
    """
    order = OrderTable(stage.orders_table(), stage.session.client("dynamodb")).get(order_id)
    is_sampled = TraceHeader.from_header_str(order.trace_header).sampled == 1
    return Search(
        order_id=str(order_id),
        trace_id=order.trace_id,
        created_at=order.created_at,
        ended_at=order.processed_at or order.declined_at,
        service=stage.stack,
        traces=Traces(stage.session.client("xray")),
        logs=CloudWatchLogs(stage.session.client("logs"), stage.stack, stage.log_days),
        xray_seconds=XRAY_SECONDS if is_sampled else 0,
    )
