"""The one Logger, Tracer and Metrics of the service; the environment (POWERTOOLS_...) gives them their names."""

import warnings

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
tracer = Tracer(patch_modules=("botocore",))

# A refused request counts nothing, which Powertools would report as a mistake.
warnings.filterwarnings("ignore", message="No application metrics to publish")
