"""Makes the Lambda package with `sls package`, for the tests and the benchmark."""

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
    """`sls package` failed; the message is its output."""


def package(folder: Path, *options: str) -> Path:
    """Make the package and the template in a folder, and return the package's path."""
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
