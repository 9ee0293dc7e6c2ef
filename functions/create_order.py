"""CreateOrder: POST /orders. Validates a purchase order and stores it as PENDING; the table's stream does the rest."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import tracing
from shared.observability import logger, metrics, tracer
from shared.order import NewOrder, Order
from shared.order_table import OrderTable
from shared.problem import api, json_body
from shared.settings import load_settings

orders = OrderTable(load_settings().orders_table)
app = api(method="POST")


@app.post("/orders")
def create_order() -> Response[str]:
    """201 with the order, and its address in Location."""
    with tracing.shown_if_it_fails("validation"):
        new_order = NewOrder.model_validate(json_body(app.current_event))
    order = orders.add(Order.place(new_order, tracing.current_header()))
    tracer.put_annotation(key="order_id", value=str(order.order_id))
    tracer.put_annotation(key="status", value=order.status)
    logger.info("Order created", order_id=str(order.order_id), trace_id=order.trace_id)
    return Response(
        status_code=HTTPStatus.CREATED,
        content_type="application/json",
        body=order.model_dump_json(exclude_none=True),
        headers={"Location": f"/orders/{order.order_id}"},
    )


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracing.starts_trace
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a proxy request of API Gateway."""
    response = app.resolve(event, context)
    created = response["statusCode"] == HTTPStatus.CREATED
    metrics.add_metric(name="OrdersCreated", unit=MetricUnit.Count, value=int(created))
    return response
