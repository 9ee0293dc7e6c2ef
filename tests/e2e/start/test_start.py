"""`npm start` itself: how it begins, how it ends, and what it says when it cannot begin."""

import json
import os
import re
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from local.dynamodb import DynamoDBLocal
from local.lambda_.serverless_offline import OURS
from local.ports import free_port
from local.start import PORTS, main
from tests.builders import HOSTILE_SHELL, VALID
from tests.e2e.command import run
from tests.e2e.conftest import ENDED, Service, npm_start
from tests.waiting import eventually
from tools.repository import ROOT, callers_path

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


def test_a_port_that_needs_root_is_not_said_to_be_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "bind", bind)

    refused = run(main, "--page-port", 80)

    assert refused.stderr == "Port 80 needs root: choose another with `npm start -- --page-port PORT`.\n"


@pytest.mark.parametrize("folder", ["/dev/null", "/dev/null/orders", "/proc/orders"])
def test_a_folder_that_cannot_hold_the_orders_is_named(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--database", folder])

    assert f"argument --database: {folder} cannot be used: [Errno " in capsys.readouterr().err.splitlines()[-1]


def test_a_folder_with_orders_has_one_local_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        in_use = ["--page-port", str(server.getsockname()[1])]
        first = run(main, "--database", tmp_path, *in_use)
        with pytest.raises(SystemExit):
            main(["--database", str(tmp_path), *in_use])

    assert first.stderr.startswith("Port ")
    assert capsys.readouterr().err.endswith(f"argument --database: another local run uses {tmp_path}\n")


@pytest.mark.parametrize("named", ["orders", "~/orders"])
def test_a_path_is_what_its_caller_means(named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INIT_CWD" if named == "orders" else "HOME", str(tmp_path))

    assert callers_path(named) == tmp_path / "orders"


def test_dynamodb_local_finds_a_path_with_an_accent_in_any_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    folder = tmp_path / "João's orders"
    folder.mkdir()

    with DynamoDBLocal(database=folder) as dynamodb:
        client = boto3.client("dynamodb", endpoint_url=dynamodb.endpoint_url)
        client.create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )

    assert list(folder.iterdir())


def test_a_function_starts_whatever_characters_the_path_of_the_clone_has() -> None:
    path = "/R&D (1)/João's; #/$HOME"
    call = f"spawn('echo', [{path!r}], {{ shell: true, stdio: 'inherit' }})"
    script = f"import {{ spawn }} from 'node:child_process'; {call}"

    command = ["node", "--require", OURS, "--input-type=module", "--eval", script]
    started = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=True)

    assert started.stdout == f"{path}\n"


@pytest.mark.parametrize("script", ["smoke", "trace"])
def test_smoke_and_trace_work_whatever_the_shell_has(service: Service, script: str) -> None:
    command = ["npm", "run", "--silent", script, "--", "--port", service.port, "--xray-port", service.xray_port]
    command += ["--page-port", service.page_port, service.create()] if script == "trace" else []

    subprocess.run(command, cwd=ROOT, env=os.environ | HOSTILE_SHELL, timeout=LIMIT_SECONDS, check=True)


def test_a_profile_that_is_gone_is_said_in_one_line() -> None:
    key = ["npm", "run", "--silent", "smoke", "--", "--stage", "dev"]

    refused = subprocess.run(key, cwd=ROOT, env=os.environ | HOSTILE_SHELL, capture_output=True, text=True, check=False)

    assert (refused.returncode, refused.stderr) == (1, "The config profile (gone) could not be found\n")
