"""Runs the functions as Lambda does: starts their processes, traces an invocation, ends it at its timeout.

This process imports once what all functions import, and is forked for each function. That process imports the function,
and is forked for each of its instances, which so start in milliseconds. launcher.py connects to it, once an instance.
"""

import faulthandler
import fcntl
import importlib
import json
import os
import random
import socket
import socketserver
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any, cast

import boto3

# Starts an instance without invoking its handler.
WARM_UP = {"warm-up": True}
# They import what takes long: boto3, pydantic, Powertools.
SHARED_MODULES = ("shared.api", "shared.settlement")
# botocore reads the definition of a service once for all clients of a process, and of those forked from it.
SERVICES = ("dynamodb", "xray")
# Where Lambda's Python runtime keeps the trace header of the invocation ("Lambda environment variables").
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"
MOST_INSTANCES = 1_000
# So many instances of a function work at the same time; the others wait, so that a burst does not keep the processor
# from each of them for longer than DynamoDB's clients wait for an answer.
MOST_AT_WORK = 10


class InvocationContext:
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
    """Imports a function, and forks a process for each connection: an instance of it."""

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
        self.fault: Exception | None = None
        try:
            self.handler = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # noqa: BLE001  # every instance answers it
            traceback.print_exc()
            self.fault = error


class Instance(socketserver.StreamRequestHandler):
    """A process that runs one function: a line for each event, and one for its result."""

    def handle(self) -> None:
        """Answer until the launcher ends, or until the handler reaches its timeout, which ends this process."""
        runtime = cast("Runtime", self.server)
        runtime.socket.close()
        places = [os.open(f"{runtime.path}.{number}", os.O_CREAT) for number in range(MOST_AT_WORK)]
        for line in self.rfile:
            invocation = json.loads(line)
            result: dict[str, Any] = _error(runtime.fault) if runtime.fault else {}
            if not result and invocation["event"] != WARM_UP:
                with at_work(places):
                    result = _invoke(runtime, invocation)
            self.wfile.write(json.dumps({"__offline_payload__": result}).encode() + b"\n")


def _invoke(runtime: Runtime, invocation: Mapping[str, Any]) -> dict[str, Any]:
    name, memory_size, timeout = (runtime.function[key] for key in ("name", "memorySize", "timeout"))
    context = InvocationContext(name, memory_size, timeout, invocation["context"]["awsRequestId"])
    faulthandler.dump_traceback_later(timeout, exit=True)
    try:
        with trace(name):
            return runtime.handler(invocation["event"], context) or {}
    except Exception as error:  # noqa: BLE001  # Lambda answers every error of a function so
        traceback.print_exc()
        return _error(error)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _error(error: Exception) -> dict[str, Any]:
    return {"errorType": type(error).__name__, "errorMessage": str(error)}


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


@contextmanager
def at_work(places: Sequence[int]) -> Iterator[None]:
    """Hold one of the places that the function's instances share. That of a process that ends is free at once."""
    place = next((place for place in places if _take(place)), None)
    if place is None:
        place = random.choice(places)  # noqa: S311  # any of them
        fcntl.flock(place, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(place, fcntl.LOCK_UN)


def _take(place: int) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def trace(name: str) -> Iterator[None]:
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
    # Write each line at once and as a whole: all instances of all functions share the output.
    cast("TextIOWrapper", sys.stdout).reconfigure(line_buffering=True, write_through=False)
    _run(json.loads(sys.argv[1]))
