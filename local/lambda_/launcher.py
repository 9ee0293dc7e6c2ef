"""What serverless-offline starts for each instance of a function, instead of Python: it must start in milliseconds.

The runtime (runtime.py) forks the process that runs the function; this one passes events and answers on. It uses the
standard library only.
"""

import json
import os
import socket
import sys
import zlib

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without its import
if TYPE_CHECKING:
    from io import BufferedRWPair

# Starts an instance without invoking its handler.
WARM_UP = {"warm-up": True}
# Ends the path of a function's socket until function_processes.py takes it into service.
NEW = ".new"
# What an instance says first: that it takes events, or, if it is debugged, that it takes one.
EVENTS, ONE_EVENT = b"events\n", b"one event\n"
ENDED = {"errorType": "Runtime.ExitError", "errorMessage": "The function's process ended, or reached its timeout."}


def socket_name(handler: str) -> str:
    """Return the name of a function's socket: short, because macOS allows a path of 103 characters."""
    return f"{zlib.crc32(handler.encode()):08x}"


def main(runtime: str) -> None:
    """Pass on one event at a time. After a process ended, or its code changed, the next event starts another."""
    process, version = None, None
    for event in sys.stdin.buffer:
        try:
            if process is None or version != _version(runtime):
                process, version = _connect(runtime)
            process.write(event)
            process.flush()
            answer = process.readline()
        except OSError:
            answer = b""
        if not answer:
            process = None
            answer = json.dumps({"__offline_payload__": ENDED}).encode() + b"\n"
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


def _connect(runtime: str) -> "tuple[BufferedRWPair, object]":
    """Connect to an instance, which greets. If the runtime is replaced before it forks one, connect to the next."""
    while True:
        version = _version(runtime)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(runtime)
            process = connection.makefile("rwb")
            greeting = process.readline()
        except ConnectionError:
            if version == _version(runtime):
                raise
            continue
        if greeting:
            return process, None if greeting == ONE_EVENT else version


def _version(runtime: str) -> object:
    """Tell a socket from the next one of this path. Their inodes can have the same number."""
    status = os.stat(runtime)  # noqa: PTH116  # pathlib takes too long to import
    return status.st_ino, status.st_mtime_ns


if __name__ == "__main__":
    # serverless-offline's arguments are: -u, its own script, the path of the module, the name of the handler.
    folder, *_, module, name = sys.argv[1:]
    main(f"{folder}/{socket_name(f'{module}.{name}')}")
