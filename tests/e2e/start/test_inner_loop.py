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
    """A copy of the repository, which a test may change, in a folder whose name a shell would not take as it is."""
    folder = tmp_path_factory.mktemp("copy") / "R&D (1)" / "João's; #" / "$HOME"
    folder.mkdir(parents=True)
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name)
    for name in (".dynamodb", "node_modules"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "serverless.yml", folder)
    return folder


@pytest.fixture(scope="module")
def own(folder: Path) -> Iterator[Service]:
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


def test_saved_files_are_in_force_for_the_next_request_and_the_next_delivery(own: Service, folder: Path) -> None:
    edit(folder / "functions" / "get_order.py", "HTTPStatus.OK", "HTTPStatus.ACCEPTED")
    edit(folder / "shared" / "settlement.py", '"Order settled"', '"Order paid for"')
    for name in ("get_order.py", "settlement.py"):
        eventually(lambda name=name: any(name in line for line in own.lines if line.startswith("Reloaded: ")))  # type: ignore[misc]

    order_id = own.create()

    assert requests.get(f"{own.orders_url}/{order_id}", timeout=ANSWER_SECONDS).status_code == HTTPStatus.ACCEPTED
    eventually(lambda: any(f"{order_id} Order paid for" in line for line in own.lines))


def test_a_file_that_cannot_be_imported_is_named_and_changes_nothing_until_it_is_corrected(
    own: Service, folder: Path
) -> None:
    file = folder / "shared" / "order.py"
    code = file.read_text()
    said = len(own.lines)

    file.write_text(f"{code}number = 1 +\n")

    eventually(lambda: "Not reloaded: the functions stay as they were." in own.lines[said:])
    assert own.lines[said:] == [
        f"shared/order.py:{code.count(chr(10)) + 1}: SyntaxError: invalid syntax",
        "Not reloaded: the functions stay as they were.",
    ]
    order_id = own.create()
    file.write_text(code)
    eventually(lambda: "Reloaded: order.py" in own.lines[said:])
    assert own.settled(order_id)["status"] == "PROCESSED"


def test_a_change_of_the_settings_needs_a_new_start(own: Service, folder: Path) -> None:
    (folder / "resources" / "orders-table.yml").touch()

    said = "resources/orders-table.yml has changed: end this run and start it again to use it."
    eventually(lambda: said in own.lines)
