"""One instance of a function: handles one event at a time, traces each invocation, and ends at the timeout."""

import faulthandler
import fcntl
import json
import os
import random
import re
import signal
import socket
import socketserver
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from local.lambda_.api_gateway import header, refusal
from local.lambda_.launcher import EVENTS, WARM_UP

if TYPE_CHECKING:
    from local.lambda_.runtime import Runtime

SCHEDULE = "aws.events"
# Where Lambda's Python runtime keeps the trace header of the invocation:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
HEADER_VARIABLE = "_X_AMZN_TRACE_ID"
TRACE_ROOT = re.compile(r"\bRoot=(1-[0-9a-f]{8}-[0-9a-f]{24})(?:;|$)")
# At most this many instances of a function run at once; more would slow each of them until calls to DynamoDB time out.
MOST_AT_WORK = 10


class InvocationContext:
    """What a handler gets: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    def __init__(self, name: str, memory_size: int, timeout: float, request_id: str) -> None:
        self.function_name, self.function_version = name, "$LATEST"
        self.invoked_function_arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.memory_limit_in_mb = memory_size
        self.aws_request_id = request_id
        self._ends_at = time.monotonic() + timeout

    def get_remaining_time_in_millis(self) -> int:
        """How long the invocation may still take."""
        return max(0, round((self._ends_at - time.monotonic()) * 1000))


class Instance(socketserver.StreamRequestHandler):
    """A process that runs one function: a line for each event, and one for its result."""

    def handle(self) -> None:
        """Answer until the launcher ends, or until the handler reaches its timeout, which ends this process."""
        runtime = cast("Runtime", self.server)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which ends the runtime: it waits for us
        runtime.socket.close()
        self.wfile.write(EVENTS)
        places = [os.open(f"{runtime.path}.{number}", os.O_CREAT) for number in range(MOST_AT_WORK)]
        for line in self.rfile:
            with at_work(places):
                self.wfile.write(answer(runtime, line))


def answer(runtime: "Runtime", line: bytes) -> bytes:
    """Return the line that serverless-offline expects for that of an event."""
    invocation = json.loads(line)
    event = invocation["event"]
    # While a person debugs, the schedule of RecoverOrders must not settle what stands still at a breakpoint.
    is_ignored = event == WARM_UP or ("is_schedule_off" in runtime.function and event.get("source") == SCHEDULE)
    result = {} if is_ignored else refusal(event, runtime.function) or _invoke(runtime, invocation)
    return json.dumps({"__offline_payload__": result}).encode() + b"\n"


def _invoke(runtime: "Runtime", invocation: Mapping[str, Any]) -> dict[str, Any]:
    name, memory_size, timeout = (runtime.function[key] for key in ("name", "memorySize", "timeout"))
    context = InvocationContext(name, memory_size, timeout, invocation["context"]["awsRequestId"])
    faulthandler.dump_traceback_later(timeout, exit=True)
    try:
        with trace(name, header(invocation["event"], "x-amzn-trace-id")):
            return runtime.handler(invocation["event"], context) or {}
    except Exception as error:  # noqa: BLE001  # Lambda answers every error of a function so
        traceback.print_exc()
        return _error(error)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _error(error: Exception) -> dict[str, Any]:
    return {"errorType": type(error).__name__, "errorMessage": str(error)}


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
def trace(name: str, requested: str = "") -> Iterator[None]:
    """Start a trace, and send the function's segment to the X-Ray daemon: API Gateway and Lambda do this in AWS.

    `requested` is the header X-Amzn-Trace-Id: it may name the trace, and may say that it is not sampled.
    """
    root, is_sampled = TRACE_ROOT.search(requested), "Sampled=0" not in requested
    trace_id = root[1] if root else f"1-{int(time.time()):08x}-{os.urandom(12).hex()}"
    segment_id = os.urandom(8).hex()
    segment: dict[str, Any] = {"name": name, "id": segment_id, "trace_id": trace_id, "origin": "AWS::Lambda::Function"}
    os.environ[HEADER_VARIABLE] = f"Root={trace_id};Parent={segment_id};Sampled={int(is_sampled)}"
    start_time = time.time()
    try:
        yield
    except Exception:
        segment["fault"] = True
        raise
    finally:
        if is_sampled:
            _send({**segment, "start_time": start_time, "end_time": time.time()})


def _send(segment: Mapping[str, Any]) -> None:
    host, _, port = os.environ["AWS_XRAY_DAEMON_ADDRESS"].partition(":")
    with socket.socket(type=socket.SOCK_DGRAM) as daemon:
        daemon.sendto(f'{{"format": "json", "version": 1}}\n{json.dumps(segment)}'.encode(), (host, int(port)))
