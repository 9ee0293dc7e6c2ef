"""`npm run recover`, as an operator calls it."""

import subprocess
import sys

import pytest

from local.ports import free_port
from tests.e2e.conftest import ROOT, Service

LIMIT_SECONDS = 60


def recover(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.recover", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


def test_it_recovers_the_local_runs_orders(service: Service) -> None:
    done = recover("--lambda-port", service.lambda_port)

    assert (done.returncode, done.stdout) == (0, "0 orders recovered.\n"), done.stderr


def test_no_local_run_is_one_line() -> None:
    port = str(free_port())

    failed = recover("--lambda-port", port)

    assert failed.returncode == 1
    assert (
        failed.stderr.strip() == f"No local run answers on port {port}: start it with `npm start`, or name a --stage."
    )


@pytest.mark.usefixtures("_without_credentials")
def test_missing_credentials_are_one_line() -> None:
    failed = recover("--stage", "dev")

    assert failed.returncode == 1
    assert failed.stderr.strip() == (
        "AWS has no credentials of yours: set them with `aws configure`, or in the environment."
    )
