"""What every test runs in: the functions' environment, and no way to AWS."""

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tools.repository import ROOT

if TYPE_CHECKING:
    from tests.builders import FakeProvider

ENVIRONMENT = {
    "ALERT_EMAIL": "",  # and not the one of a developer's .env
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # nothing secret: DynamoDB Local takes any
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_LAMBDA_FUNCTION_NAME": "order-processor-test",
    "ORDERS_TABLE": "orders",
    "PAYMENT_DELAY_SECONDS": "0",
    "PAYMENT_DEADLINE_SECONDS": "259200",
    "POWERTOOLS_SERVICE_NAME": "order-processor",
    "POWERTOOLS_METRICS_NAMESPACE": "order-processor-test",
    "POWERTOOLS_TRACE_DISABLED": "true",
}
BINS = (".venv/bin", "node_modules/.bin", ".poetry/bin")

# Before the functions are imported: they read it then, as in Lambda.
for name in [name for name in os.environ if name.startswith(("AWS_", "POWERTOOLS_")) or name == "LOG_LEVEL"]:
    del os.environ[name]
os.environ.update(ENVIRONMENT)
# As local/setup/run.mjs, which `npm test` runs: `pytest` in an activated .venv finds the same tools.
os.environ["PATH"] = os.pathsep.join([*(str(ROOT / folder) for folder in BINS), os.environ["PATH"]])

# How long an example takes depends on the machine's load.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> "FakeProvider":
    """The payment provider that the functions ask."""
    # Not above: the functions read the environment as they are imported.
    from functions import process_payment, recover_orders  # noqa: PLC0415
    from tests.builders import FakeProvider  # noqa: PLC0415

    provider = FakeProvider()
    for function in (process_payment, recover_orders):
        monkeypatch.setattr(function, "provider", provider)
    return provider
