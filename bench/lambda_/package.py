"""Makes the Lambda package with `sls package`, for the tests and the benchmark."""

import fcntl
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.environment import packaging_environment
from local.serverless_yml import SERVERLESS
from tools.command import CommandFailed
from tools.repository import ROOT

SECONDS = 300
THIS_MACHINE = f"architecture={'x86_64' if platform.machine() in {'x86_64', 'AMD64'} else 'arm64'}"


class NotPackaged(CommandFailed):
    """`sls package` failed; the message is its output."""


@contextmanager
def packaging_alone() -> Iterator[None]:
    """Wait until no other process packages: all of them work in the same folder, `.serverless`."""
    root = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(root, fcntl.LOCK_EX)
        yield
    finally:
        os.close(root)


def package(folder: Path, *options: str) -> Path:
    """Make the package and the template in a folder, if they are not there, and return the package's path."""
    zipped = folder / "order-processor.zip"
    with packaging_alone():
        if zipped.exists():
            return zipped
        packaging = subprocess.run(
            [SERVERLESS, "package", "--package", str(folder), *options],
            cwd=ROOT,
            env=packaging_environment()
            | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    if packaging.returncode != 0:
        raise NotPackaged(packaging.stdout)
    return zipped
