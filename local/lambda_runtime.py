"""Runs the functions as Lambda does: starts their processes, traces an invocation, ends it at its timeout.

This process imports once what all functions import. It is then forked for each instance of a function, which so starts
in milliseconds. launcher.py connects to it, once for each instance.
"""

import faulthandler
import fcntl
import importlib
import json
import os
import socket
import socketserver
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import boto3

# Starts an instance without invoking its handler.
WARM_UP = {"warm-up": True}
# botocore reads the definition of a service once for all clients of a process, and of those forked from it.
SERVICES = ("dynamodb", "xray")
# Where Lambda's Python runtime keeps the trace header of the invocation ("Lambda environment variables").
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"
MOST_INSTANCES = 1_000


class Context:
    """The context of an invocation ("Using the Lambda context object to retrieve Python function information")."""

    def __init__(self, name: str, memory_size: int, timeout: float, request_id: str) -> None:
        self.function_name, self.function_version = name, "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.memory_limit_in_mb = memory_size
        self.aws_request_id = request_id
        self._ends_at = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return max(0, round((self._ends_at - time.monotonic()) * 1000))


class Runtime(socketserver.ForkingUnixStreamServer):
    """Forks a process for each connection, which is an instance of the function that the first line names."""

    max_children = MOST_INSTANCES
    request_queue_size = MOST_INSTANCES

    def __init__(self, socket_path: str, functions: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__(socket_path, Instance)
        self.socket_path, self.functions = socket_path, functions
        for package in {handler.rpartition("/")[0].replace("/", ".") for handler in functions} - {""}:
            importlib.import_module(package)
        for service in SERVICES:
            boto3.client(service)  # type: ignore[call-overload]


class Instance(socketserver.StreamRequestHandler):
    """A process that runs one function: a line for each event, and one for its result."""

    def handle(self) -> None:
        """Answer until the launcher ends, or until the handler reaches its timeout, which ends this process."""
        runtime = cast("Runtime", self.server)
        runtime.socket.close()
        handler_name = self.rfile.readline().decode().rstrip()
        function = runtime.functions[handler_name]
        name, memory_size, timeout = function["name"], function["memorySize"], function["timeout"]
        os.environ |= function["environment"] | {
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_size),
        }
        handler = None
        for line in self.rfile:
            invocation = json.loads(line)
            try:
                if handler is None:  # Lambda's timeout does not count the start either
                    module, _, attribute = handler_name.replace("/", ".").rpartition(".")
                    with _turn(Path(runtime.socket_path).parent):
                        handler = getattr(importlib.import_module(module), attribute)
                result: dict[str, Any] = {}
                if invocation["event"] != WARM_UP:
                    context = Context(name, memory_size, timeout, invocation["context"]["awsRequestId"])
                    faulthandler.dump_traceback_later(timeout, exit=True)
                    with _trace(name):
                        result = handler(invocation["event"], context) or {}
            except Exception as error:  # noqa: BLE001  # Lambda answers every error of a function so
                traceback.print_exc()
                result = {"errorType": type(error).__name__, "errorMessage": str(error)}
            faulthandler.cancel_dump_traceback_later()
            self.wfile.write(json.dumps({"__offline_payload__": result}).encode() + b"\n")


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait for a turn: as many instances start at once as there are cores.

    Fifty that start together would leave DynamoDB Local too little CPU to answer the first of them in time.
    """
    with (folder / f"turn-{os.getpid() % (os.cpu_count() or 1)}").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)  # released even if the process is killed
        yield


@contextmanager
def _trace(name: str) -> Iterator[None]:
    """Start a trace, and send the function's segment to the X-Ray daemon: API Gateway and Lambda do this in AWS."""
    trace_id, segment_id = f"1-{int(time.time()):08x}-{os.urandom(12).hex()}", os.urandom(8).hex()
    segment: dict[str, Any] = {"name": name, "id": segment_id, "trace_id": trace_id, "origin": "AWS::Lambda::Function"}
    os.environ[HEADER_VARIABLE] = f"Root={trace_id};Parent={segment_id};Sampled=1"
    start_time = time.time()
    try:
        yield
    except Exception:
        segment["fault"] = True
        raise
    finally:
        document = json.dumps({**segment, "start_time": start_time, "end_time": time.time()})
        host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].partition(":")
        with socket.socket(type=socket.SOCK_DGRAM) as daemon:
            daemon.sendto(f'{{"format": "json", "version": 1}}\n{document}'.encode(), (host, int(port)))


if __name__ == "__main__":
    path, functions = sys.argv[1:]
    with Runtime(f"{path}.new", json.loads(functions)) as ready:
        os.rename(f"{path}.new", path)  # noqa: PTH104  # from now on a connection is accepted
        ready.serve_forever()
