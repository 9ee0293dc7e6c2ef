"""The package as Lambda gets it: what is in it, its bytecode, and that it needs nothing else to answer."""

import importlib.util
import json
import marshal
import sys
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from bench.lambda_.execution_environment import ExecutionEnvironment
from local.dynamodb import DynamoDBLocal
from local.environment import environment
from local.ports import free_port
from local.serverless_yml import environment_of
from shared.order_table import OrderTable
from tests.builders import VALID, a_batch, a_request, an_order_of_age
from tests.integration.template.compiled import Compiled, packaged_dev
from tools.repository import ROOT

MEGABYTE = 1_000_000
# 7.8 MB of it are used: bytecode 3.1, binaries 2.3, sources 1.7, the rest mostly certificates and botocore's data.
LARGEST_PACKAGE = 9 * MEGABYTE

# What a function may load beyond the interpreter itself. A new dependency, or a heavy part of an old one, goes beyond
# it: each module is a fraction of a millisecond of every cold start. What it loads is listed when that happens.
MOST_MODULES = {"create_order": 595, "get_order": 590, "process_payment": 580, "recover_orders": 520}

UNCHECKED_HASH = 0b01  # "Hash-based .pycs" (PEP 552): the flags of one that is never compared with its source
CONTENT = {".py", ".pyc", ".so", ".json", ".gz", ".pem"}


@pytest.fixture(scope="module")
def dev(shared_folder: Path) -> Compiled:
    return packaged_dev(shared_folder)


@pytest.fixture(scope="module")
def content(dev: Compiled) -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(dev.package) as content:
        yield content


@pytest.fixture
def variables(dynamodb: DynamoDBLocal, orders: OrderTable, resolved_service: dict[str, Any]) -> dict[str, str]:
    """The environment of each function, with local endpoints; there is no X-Ray."""
    owners = resolved_service["provider"], *resolved_service["functions"].values()
    of_functions = {name: value for owner in owners for name, value in environment_of(owner).items()}
    changes = {"ORDERS_TABLE": orders.name, "PAYMENT_DELAY_SECONDS": "0", "AWS_LAMBDA_FUNCTION_NAME": "function"}
    return environment(dynamodb.port, free_port()) | of_functions | changes


def test_every_module_has_bytecode_that_is_valid_in_lambda(content: zipfile.ZipFile) -> None:
    modules = {name for name in content.namelist() if name.endswith(".py")}

    assert modules
    for name in modules:
        bytecode = content.read(importlib.util.cache_from_source(name))
        header, code = bytecode[:16], marshal.loads(bytecode[16:])  # noqa: S302 - we have just made it
        assert header[:4] == importlib.util.MAGIC_NUMBER, name
        assert int.from_bytes(header[4:8], "little") == UNCHECKED_HASH, name
        assert header[8:] == importlib.util.source_hash(content.read(name)), name
        assert isinstance(code, CodeType)
        assert code.co_filename == f"/var/task/{name}"


def test_it_holds_the_functions_and_their_dependencies_alone(dev: Compiled, content: zipfile.ZipFile) -> None:
    names = {name for name in content.namelist() if not name.endswith(".pyc")}
    exported = (dev.folder / "requirements.txt").read_text().splitlines()
    requirements = dev.folder / "requirements"
    installed = {str(path.relative_to(requirements)) for path in requirements.rglob("*") if path.is_file()}
    ours = {str(path.relative_to(ROOT)) for part in ("functions", "shared") for path in ROOT.glob(f"{part}/*.py")}

    assert ours <= names
    assert names - ours <= installed
    # What a scanner for vulnerabilities knows the libraries by.
    metadata = {name.split("-")[0] for name in names if name.endswith(".dist-info/METADATA")}
    assert metadata == {line.split("==")[0].replace("-", "_") for line in exported}


def test_it_is_small_and_holds_nothing_that_is_never_read(dev: Compiled, content: zipfile.ZipFile) -> None:
    paths = {Path(name) for name in content.namelist()}
    services = {path.parts[2] for path in paths if path.parts[:2] == ("botocore", "data") and len(path.parts) > 3}

    assert dev.package.stat().st_size <= LARGEST_PACKAGE
    assert {path.suffix for path in paths if path.name not in {"METADATA", "emscripten_fetch_worker.js"}} == CONTENT
    assert not [path for path in paths if {"test", "tests", "examples"} & set(path.parts)]
    assert services == {"dynamodb", "xray"}


@pytest.mark.skipif(sys.platform != "linux", reason="Lambda's binaries run on Linux alone")
def test_an_order_is_created_read_paid_for_and_recovered_by_the_package_alone(
    tmp_path: Path, content: zipfile.ZipFile, variables: dict[str, str], orders: OrderTable
) -> None:
    content.extractall(tmp_path)

    def answer(function: str, event: dict[str, Any]) -> Any:  # noqa: ANN401  # each its own
        """What a function answers to its first event in an environment that has the package alone."""
        with ExecutionEnvironment(f"functions.{function}.lambda_handler", [tmp_path], variables) as environment:
            modules = environment.imported.modules
            assert len(modules) <= MOST_MODULES[function], "\n".join(modules)
            return environment.invoke(event).content

    created = answer("create_order", a_request("POST", "/orders", VALID))
    order = orders.get(json.loads(created["body"])["order_id"])
    orders.create(an_order_of_age(timedelta(minutes=6)))

    assert created["statusCode"] == 201
    assert answer("get_order", a_request("GET", f"/orders/{order.order_id}"))["body"] == created["body"]
    assert answer("process_payment", a_batch([order])) == {"batchItemFailures": []}
    assert orders.get(order.order_id).status == "PROCESSED"
    assert answer("recover_orders", {}) == {"recovered": 1, "deferred": 0, "failed": 0}
