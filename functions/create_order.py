"""CreateOrder: POST /orders. Validates a purchase order and stores it as PENDING; the table's stream does the rest."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import tracing
from shared.api import idempotency_key, json_body, resolver, show
from shared.observability import logger, metrics, tracer
from shared.order import IdempotencyKeyReused, NewOrder, Order, idempotent_order_id
from shared.order_table import OrderTable
from shared.settings import load_settings

orders = OrderTable(load_settings().orders_table)
app = resolver(method="POST")


@app.post("/orders")
def create_order() -> Response[str]:
    """201 with the order, and its address in Location; or 200 if its Idempotency-Key has this order already."""
    with tracing.shown_if_it_fails("validation"):
        key = idempotency_key(app.current_event)
        new_order = NewOrder.model_validate(json_body(app.current_event))

    request = app.current_event.request_context
    caller = request.identity.api_key_id or ""
    order_id = idempotent_order_id(caller, key) if key else None
    placed = Order.place(new_order, order_id, tracing.current_header())
    stored = orders.add(placed)

    tracer.put_annotation(key="order_id", value=str(stored.order_id))
    tracer.put_annotation(key="status", value=stored.status)
    names = {"order_id": str(stored.order_id), "trace_id": stored.trace_id}
    location = {"Location": f"{request.path}/{stored.order_id}"}  # with the stage, where the path has it
    if key and stored is not placed:
        if not stored.is_of(new_order):
            raise IdempotencyKeyReused
        logger.info("Order replayed", extra=names)
        return show(stored, HTTPStatus.OK, location | {"Idempotent-Replayed": "true"})
    logger.info("Order created", extra=names)
    return show(stored, HTTPStatus.CREATED, location)


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
