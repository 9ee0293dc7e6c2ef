"""`npm start` itself: how it begins, how it ends, and what it says when it cannot begin."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from local.ports import free_port
from local.start import PORTS, main
from tests.builders import VALID
from tests.e2e.command import run
from tests.e2e.conftest import ENDED, Service, npm_start
from tests.waiting import eventually
from tools.repository import ROOT

SETUP = "local/setup/run.mjs"
LIMIT_SECONDS = 60


def start(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Set up and run a command, in a folder that may be a fresh clone."""
    return subprocess.run(
        [str(shutil.which("node")), SETUP, *command],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a fresh clone has for its set-up to begin with."""
    for name in ("package.json", "package-lock.json", "pyproject.toml", "poetry.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "local", tmp_path / "local", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def executable(path: Path, script: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


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


def test_fifty_first_requests_at_once_are_all_created_and_ctrl_c_amid_their_payments_leaves_no_process() -> None:
    # On a busy machine DynamoDB Local may need longer than a function waits. Then a client does as the API's docs say.
    patient = Retry(total=3, status_forcelist=[HTTPStatus.SERVICE_UNAVAILABLE], allowed_methods=None)
    client = requests.Session()
    client.mount("http://", HTTPAdapter(pool_maxsize=50, max_retries=patient))
    with npm_start("--json") as own:
        started = [command for command in own.family().values() if "launcher.py" in command]

        def create(key: int) -> requests.Response:
            return client.post(own.orders_url, json=VALID, headers={"Idempotency-Key": f"first-{key}"}, timeout=60)

        with ThreadPoolExecutor(50) as clients:
            answers = list(clients.map(create, range(50)))

        assert {answer.status_code for answer in answers} <= {200, 201}  # 200: stored by a try that got no answer
        assert len({answer.json()["order_id"] for answer in answers}) == 50
        created = {answer.json()["order_id"] for answer in answers if answer.status_code == 201}
        eventually(lambda: created == {line["order_id"] for line in logged(own) if line["message"] == "Order created"})
        own.create()
        assert own.end(signal.SIGINT) == []
    assert own.lines[-1] == ENDED
    assert not any("Traceback" in line for line in own.lines)
    for function in ("create_order", "get_order", "process_payment", "recover_orders"):
        assert [f"functions/{function}" in command for command in started].count(True) == 1


def logged(own: Service) -> list[dict[str, Any]]:
    """The log lines among what it printed."""
    entries = (json.loads(line) for line in own.lines if line.startswith("{"))
    return [entry for entry in entries if "message" in entry]


@pytest.mark.parametrize("option", PORTS)
def test_a_port_in_use_is_named_before_anything_starts(option: str) -> None:
    ports = {name: free_port() for name in PORTS}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = ports[option] = server.getsockname()[1]

        refused = run(main, *chain.from_iterable(ports.items()))

    assert refused.code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"Port {port} is in use: ")
    assert refused.stderr.endswith(f"`npm start -- {option} PORT`.\n")


@pytest.mark.parametrize(("version", "found"), [("3.12", "there is only 3.12"), ("", "there is none")])
def test_without_python_3_13_it_says_what_to_install(clone: Path, version: str, found: str) -> None:
    for name in ("python3.13", "python3", "python"):
        executable(clone / "bin" / name, f"echo {version}")

    refused = start(clone, "true", PATH=str(clone / "bin"))

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"Python 3.13 is needed, {found}: install it ")
    assert refused.stderr.count("\n") == 1


def test_an_old_node_is_refused(clone: Path) -> None:
    old = clone / "old.cjs"
    old.write_text("Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.0' } })")

    refused = start(clone, "true", NODE_OPTIONS=f"--require {old}")

    assert refused.returncode == 1
    assert refused.stderr.startswith("Node 20 or newer is needed, this is 18.20.0: install it ")
    assert refused.stderr.count("\n") == 1


def test_without_network_it_says_so_and_nothing_counts_as_done(clone: Path) -> None:
    refused = start(clone, "true", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_FIND_LINKS="")

    assert refused.returncode == 1
    assert refused.stderr.startswith("Could not set up Poetry: its server cannot be reached. Check the network")
    assert refused.stderr.count("\n") == 1
    assert not (clone / ".poetry" / ".setup").exists()
