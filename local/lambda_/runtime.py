"""Starts the functions' processes, as Lambda's runtime does.

This process imports once what all functions share, and is forked for each function. That process imports the function,
and is forked for each of its instances (instance.py), so each starts in milliseconds. launcher.py connects to it, once
for each instance.
"""

import json
import os
import pkgutil
import signal
import socketserver
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

import boto3

from local.lambda_ import debugging
from local.lambda_.instance import Instance, InvocationContext
from local.lambda_.launcher import NEW

# They import what takes long: boto3, pydantic, Powertools.
SHARED_MODULES = ("shared.api", "shared.settlement")
# botocore reads the definition of a service once for all clients of a process, and of those forked from it.
SERVICES = ("dynamodb", "xray")
MOST_INSTANCES = 1_000
Handler = Callable[[Any, InvocationContext], Any]


class Runtime(socketserver.ForkingUnixStreamServer):
    """A function's process: forks an instance of it for each connection."""

    instance: type[socketserver.BaseRequestHandler] = Instance
    max_children = MOST_INSTANCES
    request_queue_size = MOST_INSTANCES

    def __init__(self, path: str, function: Mapping[str, Any], handler: Handler) -> None:
        super().__init__(f"{path}.{os.getpid()}", self.instance)
        self.path, self.function, self.handler = path, function, handler
        self.is_replaced = False

    def service_actions(self) -> None:
        """End between two connections: during one, its instance would be started and then lost."""
        super().service_actions()
        if self.is_replaced:
            sys.exit()


class DebuggedRuntime(Runtime):
    """A function's process that is its only instance: it handles each connection itself."""

    instance = debugging.OneInstance
    process_request = socketserver.BaseServer.process_request


def _serve(path: str, function: Mapping[str, Any]) -> None:
    """Import the function, then listen. SIGTERM ends this process when its instances have ended."""
    os.environ |= function["environment"] | {
        "AWS_LAMBDA_FUNCTION_NAME": function["name"],
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function["memorySize"]),
    }
    is_debugged = "debug_port" in function
    if is_debugged:
        debugging.listen(function)
    else:
        debugging.refuse_breakpoints(function["key"])
    module, _, attribute = function["handler"].replace("/", ".").rpartition(".")
    handler = _import(f"{module}:{attribute}")
    with (DebuggedRuntime if is_debugged else Runtime)(path, function, handler) as runtime:
        signal.signal(signal.SIGTERM, lambda *_: setattr(runtime, "is_replaced", True))
        os.rename(str(runtime.server_address), f"{path}{NEW}")  # noqa: PTH104  # now it listens
        runtime.serve_forever()


def _import(name: str) -> Any:  # noqa: ANN401  # a module, or what is in it
    """Import what a name means; if that fails, print where and end."""
    try:
        return pkgutil.resolve_name(name)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever a person may write
        reason = error.msg if isinstance(error, SyntaxError) else error
        print(f"{_place(error) or name}: {type(error).__name__}: {reason}")
        sys.exit(1)


def _place(error: BaseException) -> str | None:
    """Return the file and line of the error: the last of the functions' own."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)[1:]]
    if isinstance(error, SyntaxError):
        frames.append((str(error.filename), error.lineno))
    root = f"{Path.cwd()}/"
    own = [(file, line) for file, line in frames if file.startswith(root) and "site-packages" not in file]
    return f"{own[-1][0].removeprefix(root)}:{own[-1][1]}" if own else None


def _run(functions: Mapping[str, Mapping[str, Any]]) -> None:
    """Serve each function, at the path of its socket; ends when all of their processes have ended, or one failed."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for module in SHARED_MODULES:
        _import(f"{module}:")  # the colon ends the module's name, for resolve_name
    for service in SERVICES:
        boto3.client(service)  # type: ignore[call-overload]  # the stubs want a literal
    for path, function in functions.items():
        if os.fork() == 0:
            _serve(path, function)
    with suppress(ChildProcessError):
        while os.wait()[1] == 0:
            pass


if __name__ == "__main__":
    # Write each line at once and as a whole: all instances of all functions share the output.
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True, write_through=False)
    _run(json.loads(sys.argv[1]))
