"""`npm run audit`: known vulnerabilities of the tools (npm audit) and of what the functions ship (pip-audit).

Many mirrors of npm and PyPI cannot be asked for them. Then it says so, and that is no failure.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.own_environment import tool
from local.service import ROOT

PIP_AUDIT = "pip-audit==2.10.1"
SEVERE = {"high", "critical"}  # the tools do not ship, and run on what we wrote ourselves
SECONDS = 300


class NotAnswered(Exception):
    """Nobody could be asked; the message says why."""


def main() -> int:
    """Print a line for each audit: 1 if one found something, 0 otherwise."""
    results = [_report(name, audit) for name, audit in {"npm audit": _npm, "pip-audit": _pip}.items()]
    return int(any(results))


def npm_findings(report: str) -> list[str]:
    """What `npm audit --json` says of packages with a severe vulnerability."""
    answer = _json(report)
    if "vulnerabilities" not in answer:
        raise NotAnswered(answer.get("message", "npm's registry does not answer"))
    found = answer["vulnerabilities"].values()
    return [f"{package['name']} ({package['severity']})" for package in found if package["severity"] in SEVERE]


def pip_findings(report: str) -> list[str]:
    """What `pip-audit --format json` says of packages with a vulnerability."""
    packages = _json(report).get("dependencies", [])
    known = [package for package in packages if "vulns" in package]
    found = [f"{package['name']} ({each['id']})" for package in known for each in package["vulns"]]
    if not found and (len(known) < len(packages) or not packages):
        raise NotAnswered(f"PyPI answers for {len(known)} of {len(packages)} packages")
    return found


def _npm() -> list[str]:
    return npm_findings(_output("npm", "audit", "--json"))


def _pip() -> list[str]:
    try:
        pip_audit = str(tool(PIP_AUDIT))
    except RuntimeError as error:
        raise NotAnswered(f"{PIP_AUDIT} cannot be installed") from error
    with tempfile.TemporaryDirectory() as folder:
        shipped = str(Path(folder) / "requirements.txt")
        subprocess.run(["poetry", "export", "--only", "main", "--without-hashes", "--output", shipped], check=True)
        return pip_findings(
            _output(pip_audit, "--no-deps", "--disable-pip", "--format", "json", "--requirement", shipped)
        )


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.stdout


def _json(report: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(report)
    except ValueError:
        return {}
    return answer


def _report(name: str, audit: Callable[[], list[str]]) -> bool:
    try:
        found = audit()
    except NotAnswered as reason:
        print(f"{name}: skipped. {reason}.")
        return False
    print(f"{name}: {', '.join(found) or 'no known vulnerability'}.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
