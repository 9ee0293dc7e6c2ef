"""Tools that need other versions of packages than poetry.lock has: each gets an environment of its own."""

import os
import subprocess
import sys
from pathlib import Path

from tools.repository import ROOT

FOLDER = ROOT / ".tools"
SECONDS = 300


def tool(requirement: str) -> Path:
    """Install a tool (as `name==version`), if that is not done yet, and return its command of the same name."""
    folders = {"UV_TOOL_DIR": str(FOLDER), "UV_TOOL_BIN_DIR": str(FOLDER / "bin")}
    command = ["uv", "tool", "install", "--quiet", "--python", sys.executable, requirement]
    subprocess.run(command, env=os.environ | folders, timeout=SECONDS, check=True)
    return FOLDER / "bin" / requirement.partition("==")[0]
