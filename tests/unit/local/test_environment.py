"""What the processes of the local run get of the caller's environment."""

import pytest

from local.environment import environment, packaging_environment
from tests.builders import HOSTILE_SHELL


def test_no_variable_of_the_caller_reaches_the_local_service_or_leads_a_package_to_aws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    quiet = environment()
    for name, value in HOSTILE_SHELL.items():
        monkeypatch.setenv(name, value)

    packaging = packaging_environment()

    assert environment() == quiet
    assert {name for name in packaging if name.startswith("AWS_")} == {
        name for name in quiet if name.startswith("AWS_")
    }
    assert packaging["HTTP_PROXY"] == HOSTILE_SHELL["HTTP_PROXY"]
