"""The Lambda package as `sls package` makes it, for those who look into it: the tests and the benchmark."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from local.environment import environment
from local.service import ROOT, SERVERLESS

SECONDS = 300
THIS_MACHINE = f"architecture={'x86_64' if platform.machine() in {'x86_64', 'AMD64'} else 'arm64'}"


class NotPackaged(Exception):
    """`sls package` failed; the message is what it said."""


def package(folder: Path, *options: str) -> Path:
    """Have the package and its template made in a folder, and return the package."""
    packaging = subprocess.run(
        [SERVERLESS, "package", "--package", str(folder), *options],
        cwd=ROOT,
        env=environment() | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    if packaging.returncode != 0:
        raise NotPackaged(packaging.stdout)
    return folder / "order-processor.zip"
