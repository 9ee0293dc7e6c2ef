"""A local X-Ray: moto's API stores the traces, and a daemon receives segments by UDP and passes them on.

The datagrams are described in "Sending trace data to X-Ray", AWS X-Ray Developer Guide.
"""

import logging
import queue
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

from local.child_process import LocalRunFailed
from local.ports import free_port
from shared.tracing import DOCUMENTS_PER_CALL

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

LARGEST_DATAGRAM = 65_535
END = b"end"

log = logging.getLogger(__name__)


def local_client(endpoint_url: str) -> "XRayClient":
    """Return a client of moto's X-Ray API, which accepts any credentials."""
    session = boto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  # nothing secret
        region_name="us-east-1",
    )
    return session.client("xray", endpoint_url=endpoint_url)


class XRay:
    """The daemon (UDP) and the API (TCP), on one port; without `port` on a free one. Traces are kept in memory."""

    def __init__(self, *, port: int | None = None) -> None:
        self._address = ("127.0.0.1", port or free_port())
        self.daemon_address = f"127.0.0.1:{self._address[1]}"
        self.endpoint_url = f"http://{self.daemon_address}"
        self._api = ThreadedMotoServer(*self._address, verbose=False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._received = queue.Queue[str]()
        self._threads = [threading.Thread(target=self._receive), threading.Thread(target=self._send)]

    def start(self) -> None:
        """Start both."""
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
        try:
            self._socket.bind(self._address)
        except OSError as error:
            raise LocalRunFailed(f"X-Ray's daemon cannot listen on {self.daemon_address} (UDP): {error}") from error
        self._api.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Pass on what was received, then end."""
        if self._threads[0].is_alive():
            self._socket.sendto(END, self._address)
            for thread in self._threads:
                thread.join()
            self._api.stop()
        self._socket.close()

    def _receive(self) -> None:
        """Receive datagrams without delay, or the kernel drops them. Each is a header line and a document."""
        while (datagram := self._socket.recv(LARGEST_DATAGRAM)) != END:
            self._received.put(datagram.decode(errors="replace").partition("\n")[2])
        self._received.shutdown()

    def _send(self) -> None:
        client = local_client(self.endpoint_url)
        with suppress(queue.ShutDown):
            while True:
                documents = [self._received.get()]
                while len(documents) < DOCUMENTS_PER_CALL and not self._received.empty():
                    documents.append(self._received.get())
                try:
                    answer = client.put_trace_segments(TraceSegmentDocuments=documents)
                except (BotoCoreError, ClientError) as error:
                    log.warning("X-Ray did not take %d segments: %s", len(documents), error)
                    continue
                for refused in answer["UnprocessedTraceSegments"]:
                    log.warning("X-Ray refused a segment: %s", refused.get("Message"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
