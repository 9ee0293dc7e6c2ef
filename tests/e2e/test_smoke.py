"""`npm run smoke` on the local run."""

import subprocess
import sys

from local.ports import free_port
from tests.e2e.conftest import ROOT, Service

LIMIT_SECONDS = 60


def smoke(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.smoke", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)


def test_every_step_passes_on_the_local_run(service: Service) -> None:
    done = smoke("--port", service.port, "--xray-port", service.xray_port)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [line[0] for line in done.stdout.splitlines() if line[0] in "✔✘"] == ["✔"] * 6


def test_a_step_that_fails_ends_the_check_with_the_reason(service: Service) -> None:
    failed = smoke("--port", service.port, "--xray-port", str(free_port()), "--wait", "5")

    assert failed.returncode == 1
    assert failed.stdout.splitlines()[-1] == "✘ Its trace is complete"
    assert failed.stderr.startswith("Could not connect to the endpoint URL: ")


def test_no_local_run_is_one_line() -> None:
    port = str(free_port())

    failed = smoke("--port", port)

    assert (failed.returncode, failed.stdout) == (1, "✘ The API is found\n")
    assert failed.stderr == f"No local run answers on port {port}: start it with `npm start`, or name a --stage.\n"
