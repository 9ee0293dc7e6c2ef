"""ProcessPayment: charges the orders that the table's stream announces, and sets each to PROCESSED or DECLINED."""

import time
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.observability import logger, metrics, tracer
from shared.order import Order
from shared.order_table import OrderTable, UnreadableOrder, to_order
from shared.payment import SimulatedGateway
from shared.settings import load_settings
from shared.settlement import Settlement

settings = load_settings()
orders = OrderTable(settings.orders_table)
gateway = SimulatedGateway(settings.payment_delay_seconds)
processor = AsyncBatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Settle a batch of inserted orders.

    Returns the records that failed (a partial batch response): the stream delivers those again, with what follows the
    first of them, and to settle an order again changes nothing.
    """
    settlement = Settlement(orders, gateway)

    async def settle(record: DynamoDBRecord) -> None:
        await settlement.settle(_order(record))

    response = async_process_partial_response(event, settle, processor, context)
    for name, count in settlement.counts.items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=count)
    metrics.add_metric(name="PaymentsFailed", unit=MetricUnit.Count, value=len(response["batchItemFailures"]))
    metrics.add_metric(name="StreamLag", unit=MetricUnit.Seconds, value=_lag_seconds(event["Records"]))
    return response


def _order(record: DynamoDBRecord) -> Order:
    change = record.raw_event["dynamodb"]
    try:
        return to_order(change["NewImage"])
    except UnreadableOrder as error:
        logger.error("Record is no order", sequence_number=change["SequenceNumber"], reason=str(error))
        raise


def _lag_seconds(records: list[dict[str, Any]]) -> float:
    """How long the oldest record waited in the stream; its time is rounded down to the second by DynamoDB."""
    now = time.time()
    return max((now - record["dynamodb"]["ApproximateCreationDateTime"] for record in records), default=0)
