"""CreateOrder: POST /orders. Validates a purchase order and stores it as PENDING; the table's stream does the rest."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.parser import parse
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared import clock, tracing
from shared.api import idempotency_key, json_body, order_response, resolver
from shared.observability import Metric, logger, metrics, tracer
from shared.order import NewOrder, Order, idempotent_order_id
from shared.order_table import OrderTable
from shared.settings import TableSettings, load_settings

orders = OrderTable(load_settings(TableSettings).orders_table)
app = resolver(method="POST")


@app.post("/orders")
def create_order() -> Response[str]:
    """Create an order: 201 with the order and its Location; 200 if its Idempotency-Key has created it before."""
    received_at_ms = clock.now_ms()
    key = idempotency_key(app.current_event)
    new_order = parse(event=json_body(app.current_event), model=NewOrder)

    request = app.current_event.request_context
    order_id = idempotent_order_id(request.identity.api_key_id or "", key) if key else None
    order = Order.place(new_order, order_id, tracing.current_header())
    stored = orders.create(order)

    is_new = stored == order
    tracer.put_annotation(key="order_id", value=str(stored.order_id))
    tracer.put_annotation(key="status", value=stored.status)
    fields = tracing.fields_of(stored) | {"received_at_ms": received_at_ms, "stored_at_ms": clock.now_ms()}
    logger.info("Order created" if is_new else "Order replayed", extra=fields)
    headers = {"Location": f"{request.path.rstrip('/')}/{stored.order_id}"}  # with the stage, where the path has it
    if is_new:
        return order_response(stored, HTTPStatus.CREATED, headers)
    return order_response(stored, HTTPStatus.OK, headers | {"Idempotent-Replayed": "true"})


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a proxy request of API Gateway."""
    response = app.resolve(event, context)
    created = response["statusCode"] == HTTPStatus.CREATED
    metrics.add_metric(name=Metric.ORDERS_CREATED, unit=MetricUnit.Count, value=int(created))
    return response
