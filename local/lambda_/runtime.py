"""Starts the functions' processes, as Lambda's runtime does.

This process imports once what all functions share, and is forked for each function. That process imports the function,
and is forked for each of its instances (instance.py), so each starts in milliseconds. launcher.py connects to it, once
for each instance.
"""

import importlib
import json
import os
import socketserver
import sys
import traceback
from collections.abc import Mapping
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

import boto3

from local.lambda_.instance import Instance

# They import what takes long: boto3, pydantic, Powertools.
SHARED_MODULES = ("shared.api", "shared.settlement")
# botocore reads the definition of a service once for all clients of a process, and of those forked from it.
SERVICES = ("dynamodb", "xray")
MOST_INSTANCES = 1_000


class Runtime(socketserver.ForkingUnixStreamServer):
    """A function's process: imports it, and forks an instance of it for each connection."""

    max_children = MOST_INSTANCES
    request_queue_size = MOST_INSTANCES

    def __init__(self, path: str, function: Mapping[str, Any]) -> None:
        super().__init__(path, Instance)
        self.path = path
        self.function = function
        os.environ |= function["environment"] | {
            "AWS_LAMBDA_FUNCTION_NAME": function["name"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["memorySize"]),
        }
        module, _, attribute = function["handler"].replace("/", ".").rpartition(".")
        self.import_error: Exception | None = None
        try:
            self.handler = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # noqa: BLE001  # every instance answers with it
            traceback.print_exc()
            self.import_error = error


def _serve(path: Path, function: Mapping[str, Any]) -> None:
    with Runtime(f"{path}.new", function) as runtime:
        os.rename(f"{path}.new", path)  # noqa: PTH104  # from now on a connection is accepted
        runtime.serve_forever()


def _run(functions: Mapping[str, Mapping[str, Any]]) -> None:
    """Serve each function, at the path of its socket; ends when one of their processes ends."""
    for module in SHARED_MODULES:
        importlib.import_module(module)
    for service in SERVICES:
        boto3.client(service)  # type: ignore[call-overload]  # the stubs want a literal
    for path, function in functions.items():
        if os.fork() == 0:
            _serve(Path(path), function)
    os.wait()


if __name__ == "__main__":
    # Write each line at once and as a whole: all instances of all functions share the output.
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True, write_through=False)
    _run(json.loads(sys.argv[1]))
