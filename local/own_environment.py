"""Python tools that need other versions of packages than poetry.lock has, each in an environment of its own.

`python -m local.own_environment NAME==VERSION` prints the path of the tool's command.
"""

import subprocess
import sys
from pathlib import Path

from local.service import ROOT

SECONDS = 300


def tool(requirement: str) -> Path:
    """Install a tool (as `name==version`), if that is not done yet, and return its command of the same name."""
    name = requirement.partition("==")[0]
    folder = ROOT / f".{name}"
    stamp = folder / "requirement"
    # It comes last: a tool is installed whole or not at all.
    if not stamp.exists() or stamp.read_text() != requirement:
        _run(requirement, sys.executable, "-m", "venv", "--clear", str(folder))
        _run(requirement, str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", requirement)
        stamp.write_text(requirement)
    return folder / "bin" / name


def _run(requirement: str, *command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{requirement} cannot be installed: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    print(tool(sys.argv[1]))
