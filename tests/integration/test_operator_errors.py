"""A wrong command is refused with one line, before anything is packaged or changed."""

import subprocess
from collections.abc import Mapping

import pytest

from local.environment import environment
from local.serverless_yml import SERVERLESS
from tools.repository import ROOT

COMMAND_SECONDS = 60


def failed_deploy(*options: str, env: Mapping[str, str]) -> str:
    """Run a deploy that has to fail, and return what it prints."""
    command = [SERVERLESS, "deploy", *options]
    failed = subprocess.run(
        command, cwd=ROOT, env=env, input="", capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert failed.returncode == 1, failed
    return failed.stdout + failed.stderr


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--stage", "prd", "dev or prod."),
        ("--param", "paralelization=4", "one of architecture,"),
        ("--param", "payment_delay_seconds=two", "a number."),
    ],
)
def test_a_wrong_option_is_refused(option: str, value: str, expected: str) -> None:
    printed = failed_deploy(option, value, env=environment())

    assert f"Error:\n{option} {value}: expected {expected}" in printed


def test_missing_credentials_are_reported_before_anything_is_changed() -> None:
    without = {name: value for name, value in environment().items() if "ACCESS_KEY" not in name}

    printed = failed_deploy(env=without)

    assert "Error:\nCannot sign in to AWS: AWS provider credentials not found." in printed
