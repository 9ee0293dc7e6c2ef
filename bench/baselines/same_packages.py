"""The least that a function with CreateOrder's packages can do: one route, one model, one put, one log line."""

import os
from typing import Any
from uuid import uuid4

import boto3
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

logger, metrics, tracer = Logger(), Metrics(), Tracer(patch_modules=("botocore",))
table = os.environ["ORDERS_TABLE"]
client = boto3.client("dynamodb")
app = APIGatewayRestResolver()


class Order(BaseModel):
    """What the client sends; its items are not checked."""

    customer_id: str
    currency: str
    items: list[Any]


@app.post("/orders")
def create_order() -> Response[str]:
    """Store the order."""
    order = parse(event=app.current_event.json_body, model=Order)
    order_id = str(uuid4())
    client.put_item(TableName=table, Item={"order_id": {"S": order_id}, "customer_id": {"S": order.customer_id}})
    logger.info("Order created", order_id=order_id)
    metrics.add_metric(name="OrdersCreated", unit=MetricUnit.Count, value=1)
    return Response(status_code=201, content_type="application/json", body=order.model_dump_json())


@logger.inject_lambda_context
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a proxy request of API Gateway."""
    return app.resolve(event, context)
