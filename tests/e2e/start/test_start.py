"""`npm start` itself: what it says when it has begun, and when it cannot begin; and the commands beside it."""

import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from local.start import main
from tests.builders import HOSTILE_SHELL
from tests.e2e.command import run
from tests.e2e.conftest import Service
from tests.waiting import eventually
from tools.repository import ROOT

LIMIT_SECONDS = 60


def test_the_last_thing_it_says_is_a_command_that_creates_an_order(service: Service) -> None:
    *_, ready, blank, command = service.greeting

    created = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)  # noqa: S602

    assert ready.startswith("Ready in ")
    assert blank == ""
    assert created.stdout.startswith("HTTP/1.1 201")
    assert '"status":"PENDING"' in created.stdout
    order_id = re.search(r'"order_id":"([^"]+)"', created.stdout)[1]  # type: ignore[index]
    line = re.compile(rf"\d\d:\d\d:\d\d createOrder +{order_id} Order created status=PENDING")
    eventually(lambda: any(line.fullmatch(printed) for printed in service.lines))


def test_a_port_in_use_is_named_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        refused = run(main, "--page-port", port)

    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Port {port} is in use: ")
    assert refused.stderr.endswith("`npm start -- --page-port PORT`.\n")


def test_a_folder_with_orders_has_one_local_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        in_use = ["--page-port", str(server.getsockname()[1])]
        first = run(main, "--database", tmp_path, *in_use)
        with pytest.raises(SystemExit):
            main(["--database", str(tmp_path), *in_use])

    assert first.stderr.startswith("Port ")
    assert capsys.readouterr().err.endswith(f"argument --database: another local run uses {tmp_path}\n")


def test_the_smoke_check_passes_whatever_the_shell_has(service: Service) -> None:
    command = ["npm", "run", "--silent", "smoke", "--", "--port", service.port, "--xray-port", service.xray_port]

    subprocess.run(command, cwd=ROOT, env=os.environ | HOSTILE_SHELL, timeout=LIMIT_SECONDS, check=True)
