"""A wrong command is refused with one line, before anything is packaged or changed."""

import subprocess
from collections.abc import Mapping

import pytest

from local.environment import environment
from local.serverless_yml import SERVERLESS
from tools.repository import ROOT

COMMAND_SECONDS = 60


def last_line_of_failed(*arguments: str, env: Mapping[str, str]) -> str:
    """Run a command that has to fail; its output ends in "Error:" and what it says."""
    failed = subprocess.run(
        [SERVERLESS, *arguments],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    assert failed.returncode == 1, failed.stdout
    heading, line = failed.stdout.partition("\nLearn more")[0].strip().splitlines()[-2:]
    assert heading == "Error:", failed.stdout
    return line


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--stage", "prd", "--stage prd: expected dev or prod."),
        ("--param", "paralelization=4", "--param paralelization=4: expected one of architecture,"),
        ("--param", "payment_delay_seconds=two", "--param payment_delay_seconds=two: expected a number."),
    ],
)
def test_a_wrong_option_is_refused(option: str, value: str, line: str) -> None:
    assert line in last_line_of_failed("deploy", option, value, env=environment())


def test_missing_credentials_are_reported_before_anything_is_changed() -> None:
    without = {name: value for name, value in environment().items() if "ACCESS_KEY" not in name}

    line = last_line_of_failed("deploy", env=without)

    assert line.startswith("Cannot sign in to AWS: AWS provider credentials not found.")
