"""ProcessPayment: charges the orders that the table's stream announces, and sets each to PROCESSED or DECLINED."""

from typing import Any

from aws_lambda_powertools.utilities.batch import AsyncBatchProcessor, EventType, async_process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.parser import ValidationError
from aws_lambda_powertools.utilities.parser.models import DynamoDBStreamChangedRecordModel, DynamoDBStreamRecordModel
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import field_validator

from shared import tracing
from shared.observability import logger, metrics, tracer
from shared.order import Order
from shared.order_table import OrderTable, to_order
from shared.payment import payment_provider
from shared.settings import PaymentSettings, load_settings
from shared.settlement import Settlement

settings = load_settings(PaymentSettings)
orders = OrderTable(settings.orders_table)
provider = payment_provider(settings)
xray = tracing.client()


class OrderInserted(DynamoDBStreamChangedRecordModel):
    """The change in a stream record: an order that was written to the table."""

    NewImage: Order

    @field_validator("NewImage", mode="plain")
    @classmethod
    def deserialize_field(cls, image: dict[str, Any]) -> Order:
        """Read the image; the base class has this method for images of any shape."""
        return to_order(image)


class OrderRecord(DynamoDBStreamRecordModel):
    """A stream record of an order."""

    dynamodb: OrderInserted

    @property
    def queued_at(self) -> float:
        """When the order began to wait, in epoch seconds: DynamoDB rounds down when it wrote the record."""
        created_at = self.dynamodb.NewImage.created_at
        return max(self.dynamodb.ApproximateCreationDateTime or created_at, created_at).timestamp()


processor = AsyncBatchProcessor(EventType.DynamoDBStreams, model=OrderRecord, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Settle a batch of inserted orders.

    Returns
    -------
    The records that are not valid orders, and those whose outcome could not be recorded (a partial batch response).
    Lambda delivers the first of them and all that follow it again; to settle an order again changes nothing.
    """
    seconds = context.get_remaining_time_in_millis() / 1000
    settlement = Settlement(orders, provider, xray, settings.payment_deadline_seconds, seconds)

    async def settle(record: OrderRecord) -> None:
        await settlement.settle(record.dynamodb.NewImage, queued_at=record.queued_at)

    tracer.put_annotation(key="orders", value=len(event["Records"]))  # type: ignore[arg-type]  # an int is a Number
    response = async_process_partial_response(event, settle, processor, context)
    settlement.close()
    _log_invalid_records()
    return response


def _log_invalid_records() -> None:
    # Not in the handler: a pydantic error refers to the frames it was raised through, its own reference is invisible to
    # the garbage collector, and a handler that refers to it would never be freed, nor its event.
    for record, (_, error, _) in zip(processor.fail_messages, processor.exceptions, strict=True):
        if isinstance(record, DynamoDBRecord) and isinstance(error, ValidationError):
            reason = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
            sequence_number = record.raw_event["dynamodb"]["SequenceNumber"]
            logger.error("The record is not a valid order", sequence_number=sequence_number, reason=reason)
