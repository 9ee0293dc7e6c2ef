"""The simulation's table in memory, behind HTTP, for functions that should be faster than DynamoDB Local.

DynamoDB Local takes 2 ms of a core to record an order's outcome, so its pace would be measured and not RecoverOrders'.

`python -m bench.memory_table TABLE DUE` prints its URL, and ends when its standard input is closed.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, cast
from uuid import uuid4

from botocore import xform_name

from bench.test_bed import SAMPLED, new_order
from shared import clock
from shared.order_table import to_item
from simulation.aws.memory_dynamodb import MemoryDynamoDB
from tools.command import CommandFailed


@contextmanager
def memory_table(name: str, due: int) -> Iterator[str]:
    """Serve a table with orders whose payment is due, in a process of its own; the value is its URL.

    Raises
    ------
    CommandFailed
        It did not start. Without a URL the function would ask AWS.
    """
    command = [sys.executable, "-m", "bench.memory_table", name, str(due)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, process_group=0) as process:
        url = cast("IO[str]", process.stdout).readline().strip()
        if not url:
            raise CommandFailed("The table in memory did not start.")
        yield url


def main(name: str, due: int) -> None:
    """Serve until standard input is closed."""
    table = MemoryDynamoDB(name)
    one_at_a_time = threading.Lock()
    # Copies of two orders, each with an id of its own: every twentieth is sampled.
    is_due = {"due_at": clock.now()}
    templates = [to_item(new_order(sampled=sampled).model_copy(update=is_due)) for sampled in (True, False)]
    for each in range(due):
        key = str(uuid4())
        item = templates[each % SAMPLED > 0] | {"order_id": {"S": key}, "pending_bucket": {"S": key[0]}}
        table.put_item(TableName=name, Item=item)

    class Calls(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # keeps connections open
        wbufsize = -1  # headers and body in one packet

        def do_POST(self) -> None:  # the library's name
            call = getattr(table, xform_name(self.headers["X-Amz-Target"].partition(".")[2]))
            arguments = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with one_at_a_time:
                answer = json.dumps(call(**arguments)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing of each call."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Calls) as server:
        threading.Thread(target=server.serve_forever).start()
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
