"""What the processes of the local run get of the caller's environment."""

import os

import pytest

from local.environment import NEEDED, environment, packaging_environment
from tests.builders import HOSTILE_SHELL


def test_no_variable_of_the_caller_reaches_the_local_service_but_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = environment()
    for name, value in HOSTILE_SHELL.items():
        monkeypatch.setenv(name, value)

    assert environment() == quiet
    assert {name: quiet[name] for name in quiet.keys() & {*NEEDED}} == {
        name: os.environ[name] for name in NEEDED if name in os.environ
    }


def test_what_packages_has_the_variables_of_the_caller_but_no_way_to_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HOSTILE_SHELL.items():
        monkeypatch.setenv(name, value)

    packaging = packaging_environment()

    of_aws = {name: value for name, value in environment().items() if name.startswith("AWS_")}
    assert {name: value for name, value in packaging.items() if name.startswith("AWS_")} == of_aws
    assert packaging["HTTP_PROXY"] == HOSTILE_SHELL["HTTP_PROXY"]
