"""ProcessPayment: charges the orders that the table's stream announces, and sets each to PROCESSED or DECLINED."""

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import tracing
from shared.observability import logger, metrics, tracer
from shared.order import Order
from shared.order_table import OrderTable, UnreadableOrder, to_order
from shared.payment import SimulatedGateway
from shared.settings import load_settings
from shared.settlement import Settlement

settings = load_settings()
orders = OrderTable(settings.orders_table)
xray = tracing.client()
gateway = SimulatedGateway(settings.payment_delay_seconds)
processor = AsyncBatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@tracing.starts_trace
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Settle a batch of inserted orders.

    Returns the records that failed (a partial batch response): the stream delivers those again, with what follows the
    first of them, and to settle an order again changes nothing.
    """
    received_at = time.time()
    oldest_at = min(map(_written_at, event["Records"]), default=received_at)
    metrics.add_metric(name="StreamLag", unit=MetricUnit.Seconds, value=received_at - oldest_at)
    settlement = Settlement(orders, gateway, xray)

    async def settle(record: DynamoDBRecord) -> None:
        order = _order(record)
        await settlement.settle(order, queued_at=max(_written_at(record.raw_event), order.created_at.timestamp()))

    tracer.put_annotation(key="orders", value=len(event["Records"]))  # type: ignore[arg-type]  # an int is a Number
    response = async_process_partial_response(event, settle, processor, context)
    settlement.report()
    metrics.add_metric(name="PaymentsFailed", unit=MetricUnit.Count, value=len(response["batchItemFailures"]))
    return response


def _order(record: DynamoDBRecord) -> Order:
    change = record.raw_event["dynamodb"]
    try:
        return to_order(change.get("NewImage", {}))
    except UnreadableOrder as error:
        logger.error("Record is no order", sequence_number=change["SequenceNumber"], reason=str(error))
        raise


def _written_at(record: dict[str, Any]) -> float:
    """When DynamoDB wrote the record: epoch seconds, rounded down (to the second; by DynamoDB Local to the minute)."""
    return float(record["dynamodb"]["ApproximateCreationDateTime"])
