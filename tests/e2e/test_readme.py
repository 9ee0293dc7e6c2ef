"""The requests that the documents show are answered as the documents show it."""

import re
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Service
from tests.markdown import README, commands
from tools.repository import ROOT

LIMIT_SECONDS = 30
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
VARYING = {
    "UUID": UUID,
    "TRACE": re.compile(r"\b1-[0-9a-f]{8}-[0-9a-f]{24}\b"),
    "TIME": re.compile(r"\b[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z"),
}


def normalized(lines: list[str]) -> list[str]:
    for name, pattern in VARYING.items():
        lines = [pattern.sub(name, line.strip()) for line in lines]
    return lines


def run(command: str) -> list[str]:
    """Run a command as the reader's shell does."""
    return subprocess.check_output(command, shell=True, cwd=ROOT, text=True, timeout=LIMIT_SECONDS).splitlines()  # noqa: S602


@pytest.mark.parametrize("document", [README, ROOT / "docs/api.md"], ids=lambda document: document.name)
def test_every_request_is_answered_as_shown(service: Service, document: Path) -> None:
    requests = [(text, output) for text, output in commands(document) if "curl " in text]
    ids: dict[str, str] = {}
    assert requests

    for text, shown_output in requests:
        command = text.replace("http://127.0.0.1:3000", service.base_url)
        for shown, real in ids.items():
            command = command.replace(shown, real)
        deadline = time.monotonic() + LIMIT_SECONDS
        output = run(command)
        # A reader waits for the payment, too; a request that creates an order is sent once.
        while " -d " not in command and '"PENDING"' in "".join(output) and time.monotonic() < deadline:
            output = run(command)

        ids |= zip(UUID.findall("\n".join(shown_output)), UUID.findall("\n".join(output)), strict=False)
        answered = normalized(output)
        assert [line for line in normalized(shown_output) if line not in answered] == [], "\n".join(output)
