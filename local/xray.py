"""X-Ray, locally: a daemon that takes segments by UDP, as X-Ray's own does, and moto's X-Ray API, which keeps them."""

import logging
import socket
import threading
from types import TracebackType
from typing import Self

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from moto.server import ThreadedMotoServer

from local.ports import free_port

LARGEST_DATAGRAM = 65_535

log = logging.getLogger(__name__)


class XRay:
    """A running X-Ray, on free ports unless told. It keeps traces in memory as long as it runs."""

    def __init__(self, *, daemon_port: int | None = None, api_port: int | None = None) -> None:
        self._api = ThreadedMotoServer(ip_address="127.0.0.1", port=api_port or free_port(), verbose=False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._daemon_port = daemon_port or 0
        self._daemon = threading.Thread(target=self._forward)
        self._stopping = threading.Event()

    @property
    def endpoint_url(self) -> str:
        """The API's address, for AWS_ENDPOINT_URL_XRAY."""
        host, port = self._api.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def daemon_address(self) -> str:
        """The daemon's address, for AWS_XRAY_DAEMON_ADDRESS."""
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def start(self) -> None:
        """Start both."""
        self._socket.bind(("127.0.0.1", self._daemon_port))
        self._api.start()
        self._daemon.start()

    def stop(self) -> None:
        """End both."""
        self._stopping.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._socket.getsockname())
        self._daemon.join()
        self._socket.close()
        self._api.stop()

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
