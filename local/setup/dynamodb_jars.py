"""DynamoDB Local's jars, from Maven Central.

`python -m local.setup.dynamodb_jars` fetches what dynamodb.lock lists into .dynamodb; with the argument `lock` it
writes a new list.
"""

import hashlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jgo
from jgo.maven import MavenContext

from tools.repository import ROOT

HOME = ROOT / ".dynamodb"
LOCK = Path(__file__).with_name("dynamodb.lock")

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


if __name__ == "__main__":
    write_lock() if sys.argv[1:] == ["lock"] else fetch()
