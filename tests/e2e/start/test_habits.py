"""What people type by habit: `sls offline`, `sls invoke local`, `sls dynamodb start`. Nothing of it reaches AWS."""

import json
import os
import subprocess
from collections.abc import Callable

import pytest

from local.ports import free_port
from tests.builders import VALID, a_request
from tests.e2e.command import Ended
from tests.e2e.conftest import Service
from tools.repository import ROOT

SLS = str(ROOT / "node_modules" / ".bin" / "sls")
NOWHERE = "http://127.0.0.1:9"
LIMIT_SECONDS = 60

Sls = Callable[..., Ended]


@pytest.fixture(scope="module")
def sls(tmp_path_factory: pytest.TempPathFactory) -> Sls:
    """Run `sls` in a shell that works with AWS, which here nothing can reach."""
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(f"[profile of-work]\nregion = eu-west-1\nendpoint_url = {NOWHERE}\n")
    shell = {
        "AWS_ENDPOINT_URL": NOWHERE,
        "AWS_ENDPOINT_URL_DYNAMODB": NOWHERE,
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "of-work",
        "LOCAL_RUN": "1",  # as in the processes of the local run, but of no process here
    }

    def run(*arguments: str) -> Ended:
        ended = subprocess.run(
            [SLS, *arguments],
            cwd=ROOT,
            env=os.environ | shell,
            input="",
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


def test_sls_offline_start_is_npm_start(service: Service, sls: Sls) -> None:
    ports = ("--page-port", str(free_port()), "--httpPort", service.port)

    refused = sls("offline", "start", "--stage", "dev", "--aws-profile", "of-work", *ports)

    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Port {service.port} is in use: ")


def test_sls_invoke_local_asks_the_local_run(service: Service, sls: Sls) -> None:
    request = json.dumps(a_request("POST", "/orders", VALID))

    invoked = sls("invoke", "local", "-f", "createOrder", "--lambda-port", service.lambda_port, "--data", request)

    response = json.loads(invoked.stdout)
    assert (invoked.code, response["statusCode"]) == (0, 201)
    assert service.settled(json.loads(response["body"])["order_id"])["status"] == "PROCESSED"


def test_sls_dynamodb_start_has_nothing_to_do(service: Service, sls: Sls) -> None:
    started = sls("dynamodb", "start", "--dynamodb-port", service.dynamodb_port)

    assert started == Ended(
        0, f"The local run has DynamoDB Local on port {service.dynamodb_port}, with its tables.\n", ""
    )
