"""RecoverOrders: runs every minute and settles the orders whose payment is due.

A payment is due again some time after it failed. It is also due when the stream did not deliver the order: after an
outage longer than 24 hours, or when the event source mapping gave up on its record or is switched off.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import clock, tracing
from shared.observability import Metric, logger, metrics, tracer
from shared.order import Status
from shared.order_table import OrderTable
from shared.payment import payment_provider
from shared.settings import RecoverySettings, load_settings
from shared.settlement import Settlement

ORDERS_PER_RUN = 20_000
ORDERS_PER_BATCH = 1_000
# The time left when a batch may start: 10 s to ask the provider + 10 s to charge + 10 s to record + 11 s that
# shared/outcome_writer.py reserves.
BATCH_SECONDS = 41

settings = load_settings(RecoverySettings)
orders = OrderTable(settings.orders_table)
provider = payment_provider(settings)
xray = tracing.client()
# All runs use one event loop, as Powertools' batch processor does in Lambda: the provider can keep its connections.
runner = asyncio.Runner()


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    """Settle the orders whose payment is due, the longest overdue first.

    Returns
    -------
    How many orders this run itself `recovered` (processed or declined), how many it `deferred` because their payment
    failed, and for how many it `failed` to record an outcome.
    """
    now = clock.now()
    oldest = orders.oldest_pending()
    age = (now - oldest).total_seconds() if oldest else 0
    metrics.add_metric(name=Metric.OLDEST_PENDING_ORDER, unit=MetricUnit.Seconds, value=age)
    due = orders.due(now, timedelta(seconds=settings.recovery_grace_seconds), ORDERS_PER_RUN) if oldest else []

    result = Counter(recovered=0, deferred=0, failed=0)
    for order_ids in batched(due, ORDERS_PER_BATCH, strict=False):
        seconds = context.get_remaining_time_in_millis() / 1000
        if seconds < BATCH_SECONDS:
            break
        result.update(runner.run(_settle(order_ids, seconds)))
    return dict(result)


async def _settle(order_ids: Sequence[UUID], seconds: float) -> dict[str, int]:
    """Settle a batch. A failure is logged where it happens, and its order is due again at the next run."""
    pending = [order for order in orders.read(order_ids) if order.status is Status.PENDING]
    settlement = Settlement(orders, provider, xray, settings.payment_deadline_seconds, seconds)
    settling = (settlement.settle(order, queued_at=order.created_at.timestamp(), ask_first=True) for order in pending)
    results = await asyncio.gather(*settling, return_exceptions=True)
    counts = settlement.close()
    return {
        "recovered": counts[Status.PROCESSED] + counts[Status.DECLINED],
        "deferred": counts[Status.PENDING],
        "failed": sum(isinstance(result, Exception) for result in results),
    }
