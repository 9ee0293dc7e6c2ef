"""What people type by habit: `sls offline`, `sls invoke local`, `sls dynamodb start`. Nothing of it reaches AWS."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

import pytest

from local.ports import free_port
from tests.builders import VALID
from tests.e2e.command import Ended
from tests.e2e.conftest import Service
from tools.repository import ROOT

SLS = str(ROOT / "node_modules" / ".bin" / "sls")
LIMIT_SECONDS = 60
REQUEST = {
    "httpMethod": "POST",
    "path": "/orders",
    "body": json.dumps(VALID),
    "headers": {},
    "requestContext": {"path": "/orders", "identity": {}},
}

Sls = Callable[..., Ended]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """A server in the place of AWS, which nothing reaches."""
    reached: list[str] = []

    class Aws(StreamRequestHandler):
        def handle(self) -> None:
            reached.append(self.rfile.readline().decode())

    server = ThreadingTCPServer(("127.0.0.1", 0), Aws)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    assert reached == []


@pytest.fixture(scope="module")
def shell(aws: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a shell that works with AWS."""
    config = tmp_path_factory.mktemp("aws") / "config"
    config.write_text(f"[profile of-work]\nregion = eu-west-1\nendpoint_url = {aws}\n")
    return {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ENDPOINT_URL_DYNAMODB": aws,
        "AWS_CONFIG_FILE": str(config),
        "AWS_PROFILE": "of-work",
        "AWS_ACCESS_KEY_ID": "of-work",
        "AWS_SECRET_ACCESS_KEY": "of-work",
        "AWS_SESSION_TOKEN": "of-work",
        "LOCAL_RUN": "1",  # as in the processes of the local run, but of no process here
    }


@pytest.fixture(scope="module")
def folder(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with a file .env that names AWS."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("functions", "node_modules", "resources", "shared"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "serverless.yml", folder)
    (folder / ".env").write_text(f"AWS_ENDPOINT_URL_XRAY={aws}\nAWS_ENDPOINT_URL_STS={aws}\n")
    return folder


@pytest.fixture(scope="module")
def sls(shell: dict[str, str], folder: Path) -> Sls:
    """Run `sls` in that shell."""

    def run(*arguments: str) -> Ended:
        command, environment = [SLS, *arguments], os.environ | shell
        ended = subprocess.run(
            command,
            cwd=folder,
            env=environment,
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


def test_sls_offline_refuses_what_the_local_run_does_not_have(sls: Sls) -> None:
    refused = sls("offline", "--stage=prod")

    assert refused.code == 2
    assert "npm start --: error: " in refused.stderr


def test_sls_invoke_local_asks_the_local_run(service: Service, sls: Sls) -> None:
    data = json.dumps(REQUEST)

    invoked = sls("invoke", "local", "-f", "createOrder", "--lambda-port", service.lambda_port, "--data", data)

    response = json.loads(invoked.stdout)
    assert (invoked.code, response["statusCode"]) == (0, 201)
    assert service.settled(json.loads(response["body"])["order_id"])["status"] == "PROCESSED"


def test_sls_dynamodb_start_has_nothing_to_do(service: Service, sls: Sls) -> None:
    started = sls("dynamodb", "start", "--dynamodb-port", service.dynamodb_port)

    assert started == Ended(
        0, f"The local run has DynamoDB Local on port {service.dynamodb_port}, with its tables.\n", ""
    )


@pytest.mark.parametrize("command", ["invoke local -f createOrder", "dynamodb migrate"])
def test_without_a_local_run_it_says_what_to_start(sls: Sls, command: str) -> None:
    port = str(free_port())

    refused = sls(*command.split(), "--lambda-port", port, "--dynamodb-port", port)

    assert refused == Ended(1, "", f"No local run answers on port {port}: start it with `npm start`.\n")
