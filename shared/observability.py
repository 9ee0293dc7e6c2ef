"""The one Logger, Tracer and Metrics of the service; the environment (POWERTOOLS_...) gives them their names."""

import logging
from enum import StrEnum

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer(patch_modules=("botocore",))


class Metric(StrEnum):
    """The service's own metrics. CloudWatch's free tier is 10 an account, so five for each of two stages."""

    ORDERS_CREATED = "OrdersCreated"
    TIME_TO_SETTLE = "TimeToSettle"  # its sample count is the number of settled orders
    PAYMENTS_DECLINED = "PaymentsDeclined"
    PAYMENTS_DEFERRED = "PaymentsDeferred"  # its value is the order's number of failed attempts
    MOST_OVERDUE_PAYMENT = "MostOverduePayment"


# Leave the name of the asyncio task out of the log lines of payments: it has no meaning.
logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # the stubs lack it
