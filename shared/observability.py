"""The one Logger, Tracer and Metrics of the service; the environment (POWERTOOLS_...) gives them their names."""

import logging

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer(patch_modules=("botocore",))

# The name of the asyncio task would stand in every line of a payment, and says nothing.
logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # the stubs lack it
