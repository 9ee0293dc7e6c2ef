"""The inner loop of a developer: save, and it runs."""

import shutil
import sys
from collections.abc import Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from tests.builders import HOSTILE_SHELL
from tests.e2e.conftest import ANSWER_SECONDS, Service, npm_start
from tests.waiting import eventually
from tools.repository import ROOT

CODE = ("examples", "functions", "local", "resources", "shared", "tools")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, which a test may change."""
    folder = tmp_path_factory.mktemp("copy")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name)
    for name in (".dynamodb", "node_modules"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "serverless.yml", folder)
    return folder


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    """The service of the copy."""
    command = (sys.executable, "-m", "local.start")
    # As local/setup/run.mjs, which would install everything into the copy.
    environment = {name: "" for name in HOSTILE_SHELL if name.startswith("PYTHON")} | {"PYTHONUTF8": "1"}
    with npm_start(start=partial(Service, command=command, folder=folder, environment=environment)) as running:
        yield running


def edit(path: Path, old: str, new: str) -> None:
    """Replace text in a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_saved_files_are_in_force_for_the_next_request_and_the_next_delivery(service: Service, folder: Path) -> None:
    edit(folder / "functions" / "get_order.py", "HTTPStatus.OK", "HTTPStatus.ACCEPTED")
    edit(folder / "shared" / "settlement.py", '"Order settled"', '"Order paid for"')
    for name in ("get_order.py", "settlement.py"):
        eventually(lambda name=name: any(name in line for line in service.lines if line.startswith("Reloaded: ")))  # type: ignore[misc]

    order_id = service.create()

    assert requests.get(f"{service.orders_url}/{order_id}", timeout=ANSWER_SECONDS).status_code == HTTPStatus.ACCEPTED
    eventually(lambda: any(f"{order_id} Order paid for" in line for line in service.lines))


def test_a_file_that_cannot_be_imported_is_named_and_changes_nothing_until_it_is_corrected(
    service: Service, folder: Path
) -> None:
    file = folder / "shared" / "order.py"
    code = file.read_text()
    said = len(service.lines)

    file.write_text(f"{code}number = 1 +\n")

    eventually(lambda: "Not reloaded: the functions stay as they were." in service.lines[said:])
    assert service.lines[said:] == [
        f"shared/order.py:{code.count(chr(10)) + 1}: SyntaxError: invalid syntax",
        "Not reloaded: the functions stay as they were.",
    ]
    order_id = service.create()
    file.write_text(code)
    eventually(lambda: "Reloaded: order.py" in service.lines[said:])
    assert service.settled(order_id)["status"] == "PROCESSED"


@pytest.mark.parametrize("name", ["serverless.yml", "resources/orders-table.yml"])
def test_a_change_of_the_settings_needs_a_new_start(service: Service, folder: Path, name: str) -> None:
    (folder / name).touch()

    eventually(lambda: f"{name} has changed: end this run and start it again to use it." in service.lines)
