"""RecoverOrders: settles what still waits long after its creation, whatever became of its record in the stream.

An outage longer than the stream's 24 hours, a batch given up on, a mapping that is switched off: the table still knows.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched, chain, islice, takewhile
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import tracing
from shared.observability import logger, metrics, tracer
from shared.order import Order
from shared.order_table import OrderTable
from shared.payment import SimulatedGateway
from shared.settings import load_settings
from shared.settlement import Settlement

# What a run takes on: batches like those of the stream, as long as there is time for one that meets only time-outs.
ORDERS_PER_BATCH = 1_000
BATCHES_PER_RUN = 10
MILLISECONDS_PER_BATCH = 25_000

settings = load_settings()
orders = OrderTable(settings.orders_table)
gateway = SimulatedGateway(settings.payment_delay_seconds)
xray = tracing.client()


@logger.inject_lambda_context
@tracing.starts_trace
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Settle, the oldest first, the orders that are PENDING for longer than RECOVERY_GRACE_SECONDS.

    Returns
    -------
    How many orders were `recovered`, and for how many that `failed`; those are for the next run.
    """
    now = datetime.now(UTC)
    pending = orders.pending()
    oldest = next(pending, None)
    age = now - oldest.created_at if oldest else timedelta()
    metrics.add_metric(name="OldestPendingOrder", unit=MetricUnit.Seconds, value=age.total_seconds())

    deadline = now - timedelta(seconds=settings.recovery_grace_seconds)
    overdue = takewhile(lambda order: order.created_at < deadline, chain([oldest] if oldest else [], pending))
    recovered = failed = 0
    for batch in islice(batched(overdue, ORDERS_PER_BATCH, strict=False), BATCHES_PER_RUN):
        settled = asyncio.run(_settle(batch))
        recovered, failed = recovered + settled, failed + len(batch) - settled
        if context.get_remaining_time_in_millis() < MILLISECONDS_PER_BATCH:
            break
    metrics.add_metric(name="OrdersRecovered", unit=MetricUnit.Count, value=recovered)
    return {"recovered": recovered, "failed": failed}


async def _settle(batch: Sequence[Order]) -> int:
    """Settle a batch; what fails is logged where it fails. Returns how many are settled."""
    settlement = Settlement(orders, gateway, xray)
    settling = (settlement.settle(order, queued_at=order.created_at.timestamp()) for order in batch)
    results = await asyncio.gather(*settling, return_exceptions=True)
    settlement.report()
    return results.count(None)
