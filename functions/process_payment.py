"""ProcessPayment: charges the orders that the table's stream announces, and sets each to PROCESSED or DECLINED."""

from typing import Any

from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import tracing
from shared.observability import logger, metrics, tracer
from shared.order_table import OrderTable, UnreadableOrder, to_order
from shared.payment import payment_provider
from shared.settings import PaymentSettings, load_settings
from shared.settlement import Settlement

settings = load_settings(PaymentSettings)
orders = OrderTable(settings.orders_table)
provider = payment_provider(settings)
xray = tracing.client()
processor = AsyncBatchProcessor(EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Pay for a batch of inserted orders, all at once.

    Returns
    -------
    The records that are not valid orders, and those whose outcome could not be recorded (a partial batch response).
    Lambda delivers the first of them and all that follow it again; to pay for an order again changes nothing.
    """

    async def pay(record: DynamoDBRecord) -> None:
        change = record.raw_event["dynamodb"]
        try:
            order = to_order(change.get("NewImage"))
        except UnreadableOrder as error:
            number = change["SequenceNumber"]
            logger.error("The record is not a valid order", sequence_number=number, reason=str(error))
            raise
        created_at = order.created_at.timestamp()
        # DynamoDB rounds the time of a record down to the second, in DynamoDB Local to the minute.
        await settlement.attempt(order, max(change.get("ApproximateCreationDateTime", 0), created_at))

    tracer.put_annotation(key="orders", value=len(event["Records"]))  # type: ignore[arg-type]  # an int is a Number
    settlement = Settlement(
        orders, provider, xray, settings.payment_deadline_seconds, lambda: context.get_remaining_time_in_millis() / 1000
    )
    response = async_process_partial_response(event, pay, processor, context)
    settlement.close()
    return response
