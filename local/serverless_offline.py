"""serverless-offline, the API and the functions on this machine: started, watched, made to say only what matters."""

import http.client
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable

from local.child_process import ChildProcess, LocalRunFailed
from local.service import ROOT, SERVERLESS

START_SECONDS = 60
ANSWER_SECONDS = 35  # longer than any function's timeout

# The lines of requests and their durations, of metrics (meant for CloudWatch: "Embedded metric format specification"),
# and the plugins' announcements and frames.
NOISE = re.compile(
    r"""\s*$ | .*\(λ:\ \w+\) | \{"_aws": | [┌│└] | Starting\ Offline | Offline\ \[ | Function\ names\ exposed |
        \s+\*\ | Successfully\ invoked | Server\ ready | DynamoDB\ - | Skipping\ end""",
    re.VERBOSE,
)


class ServerlessOffline:
    """`serverless offline start`; what it says is kept until `show`, and then given to `say`, without the noise.

    `hear` gets every line at once, as it is.
    """

    def __init__(
        self, *, api_port: int, lambda_port: int, say: Callable[[str], None], hear: Callable[[str], None]
    ) -> None:
        ports = ["--httpPort", str(api_port), "--lambdaPort", str(lambda_port)]
        command = [SERVERLESS, "offline", "start", "--noSponsor", *ports]
        self._api_port, self._say, self._hear = api_port, say, hear
        self._is_shown = False
        self._kept: deque[str] = deque(maxlen=30)
        self._process = ChildProcess(command, output=subprocess.PIPE, folder=ROOT)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for_answer(self, path: str, stop: threading.Event) -> None:
        """Wait until the API answers a GET, which also starts the function behind it."""
        deadline = time.monotonic() + START_SECONDS
        while not stop.is_set():
            status = self._status_of(path)
            if status is None:
                self.check()
                if time.monotonic() > deadline:
                    raise LocalRunFailed(f"The API did not answer in {START_SECONDS} s.")
                time.sleep(0.1)
            elif status >= http.HTTPStatus.INTERNAL_SERVER_ERROR:
                self.show()
                raise LocalRunFailed(f"The API answers {status} to GET {path}; what its function said is above.")
            else:
                return

    def check(self) -> None:
        """Raise if it has ended by itself."""
        if self._process.has_ended():
            self._reader.join(timeout=1)
            self.show()
            raise LocalRunFailed("serverless-offline has ended by itself; what it said is above.")

    def show(self, *, kept: bool = True) -> None:
        """Say from now on what it says, after what was kept until now, if that is wanted."""
        if not kept:
            self._kept.clear()
        self._is_shown = True
        while self._kept:
            self._say(self._kept.popleft())

    def kill(self) -> None:
        """End it and the functions' processes; asked politely, it would wait 5 s for a function at work."""
        self._process.kill()

    def _status_of(self, path: str) -> int | None:
        connection = http.client.HTTPConnection("127.0.0.1", self._api_port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _read(self) -> None:
        for line in self._process.output:
            text = line.decode(errors="replace").rstrip()
            self._hear(text)
            if NOISE.match(text):
                continue
            if self._is_shown:
                self._say(text)
            else:
                self._kept.append(text)
