"""A local X-Ray: moto's API, and a daemon that receives segments by UDP and stores them there.

The datagrams: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html
"""

import logging
import socket
import threading
from typing import Self

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.xray.exceptions import BadSegmentException
from moto.xray.models import xray_backends

from local.child_process import LocalRunFailed
from local.ports import free_port

REGION = "us-east-1"
LARGEST_DATAGRAM = 65_535
END = b"end"

log = logging.getLogger(__name__)


class LocalXRay:
    """The daemon (UDP) and the API (TCP), on one port; without `port` on a free one. Traces are kept in memory."""

    def __init__(self, *, port: int | None = None) -> None:
        self._address = ("127.0.0.1", port or free_port())
        self.daemon_address = f"127.0.0.1:{self._address[1]}"
        self.endpoint_url = f"http://{self.daemon_address}"
        self._api = ThreadedMotoServer(*self._address, verbose=False)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._daemon = threading.Thread(target=self._receive)

    def start(self) -> None:
        """Start both."""
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
        try:
            self._socket.bind(self._address)
        except OSError as error:
            raise LocalRunFailed(f"X-Ray's daemon cannot listen on {self.daemon_address} (UDP): {error}") from error
        self._api.start()
        self._daemon.start()

    def stop(self) -> None:
        """Take what was received, then end."""
        if self._daemon.is_alive():
            self._socket.sendto(END, self._address)
            self._daemon.join()
            self._api.stop()
        self._socket.close()

    def _receive(self) -> None:
        """Store what comes: each datagram is a header line and a document."""
        backend = xray_backends[DEFAULT_ACCOUNT_ID][REGION]
        while (datagram := self._socket.recv(LARGEST_DATAGRAM)) != END:
            try:
                backend.process_segment(datagram.decode(errors="replace").partition("\n")[2])
            except BadSegmentException as error:
                log.warning("X-Ray refused a segment: %r", error)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
