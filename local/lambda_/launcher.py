"""What serverless-offline starts for each instance of a function, instead of Python: it must start in milliseconds.

The runtime (runtime.py) forks the process that runs the function; this one passes events and answers on. It uses the
standard library only.
"""

import json
import socket
import sys
import zlib

ENDED = {"errorType": "Runtime.ExitError", "errorMessage": "The function's process ended, or reached its timeout."}


def socket_name(handler: str) -> str:
    """Return the name of a function's socket: short, because macOS allows a path of 103 characters."""
    return f"{zlib.crc32(handler.encode()):08x}"


def main(runtime: str) -> None:
    """Pass on one event at a time. After a process has ended, the next event starts another."""
    process = None
    for event in sys.stdin.buffer:
        try:
            if process is None:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(runtime)
                process = connection.makefile("rwb")
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


if __name__ == "__main__":
    # serverless-offline's arguments are: -u, its own script, the path of the module, the name of the handler.
    folder, *_, module, name = sys.argv[1:]
    main(f"{folder}/{socket_name(f'{module}.{name}')}")
