"""X-Ray, locally: a daemon that takes segments by UDP, as X-Ray's own does, and moto's X-Ray API, which keeps them."""

import logging
import socket
import threading
from types import TracebackType
from typing import Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

from local.child_process import LocalRunFailed
from local.ports import free_port

LARGEST_DATAGRAM = 65_535

log = logging.getLogger(__name__)


class XRay:
    """A running X-Ray: daemon (UDP) and API (TCP) on one port, a free one unless told. It keeps traces in memory."""

    def __init__(self, *, port: int | None = None) -> None:
        self._address = ("127.0.0.1", port or free_port())
        self.endpoint_url = f"http://127.0.0.1:{self._address[1]}"
        self._api = ThreadedMotoServer(*self._address, verbose=False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._daemon = threading.Thread(target=self._forward)
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start both."""
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
        try:
            self._socket.bind(self._address)
        except OSError as error:
            raise LocalRunFailed(f"X-Ray's daemon cannot listen on UDP port {self._address[1]}: {error}") from error
        self._api.start()
        self._daemon.start()

    def stop(self) -> None:
        """End what has started."""
        self._stopping.set()
        if self._daemon.is_alive():
            self._socket.sendto(b"", self._address)  # wakes it
            self._daemon.join()
            self._api.stop()
        self._socket.close()

    def _forward(self) -> None:
        """Send to the API what comes: a line of format, then the document ("Sending trace data to X-Ray")."""
        client = boto3.client(
            "xray",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106  # moto takes any
        )
        while True:
            datagram = self._socket.recv(LARGEST_DATAGRAM)
            if self._stopping.is_set():
                return
            _, _, document = datagram.decode(errors="replace").partition("\n")
            try:
                answer = client.put_trace_segments(TraceSegmentDocuments=[document])
            except (BotoCoreError, ClientError) as error:
                log.warning("X-Ray did not take a segment: %s", error)
                continue
            for refused in answer["UnprocessedTraceSegments"]:
                log.warning("X-Ray refused a segment: %s", refused.get("Message"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
