"""The one Logger, Tracer and Metrics of the service; the environment (POWERTOOLS_...) gives them their names."""

import logging

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer(patch_modules=("botocore",))

# Leave the name of the asyncio task out of the log lines of payments: it has no meaning.
logging.logAsyncioTasks = False  # type: ignore[attr-defined]  # the stubs lack it
