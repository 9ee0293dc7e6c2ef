"""GetOrder: GET /orders/{order_id}. Shows an order as it is now."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.utilities.typing import LambdaContext

from shared.api import order_response, resolver
from shared.observability import logger, tracer
from shared.order import OrderNotFound
from shared.order_table import OrderTable
from shared.settings import TableSettings, load_settings

orders = OrderTable(load_settings(TableSettings).orders_table)
app = resolver(method="GET")


@app.get("/orders/<order_id>")
def get_order(order_id: str) -> Response[str]:
    """200 with the order, or 404."""
    return order_response(orders.get(_uuid(order_id)), HTTPStatus.OK)


def _uuid(order_id: str) -> UUID:
    try:
        return UUID(order_id)
    except ValueError:
        raise OrderNotFound from None


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_REST)
@tracer.capture_lambda_handler(capture_response=False)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer a proxy request of API Gateway."""
    return app.resolve(event, context)
