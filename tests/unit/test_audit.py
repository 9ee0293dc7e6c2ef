"""What `npm run audit` makes of the answers of npm audit and pip-audit."""

import json

import pytest

from tools.audit import NotAnswered, npm_findings, pip_findings


def test_severe_vulnerabilities_of_the_tools_are_named() -> None:
    severities = {"left-pad": "critical", "right-pad": "high", "no-pad": "moderate"}
    packages = {name: {"name": name, "severity": severity} for name, severity in severities.items()}

    assert npm_findings(json.dumps({"vulnerabilities": packages})) == ["left-pad (critical)", "right-pad (high)"]


def test_vulnerabilities_of_what_the_functions_ship_are_named_even_if_not_all_is_known() -> None:
    packages = [
        {"name": "sound", "version": "1", "vulns": []},
        {"name": "broken", "version": "1", "vulns": [{"id": "PYSEC-1"}]},
        {"name": "unknown", "skip_reason": "not found"},
    ]

    assert pip_findings(json.dumps({"dependencies": packages})) == ["broken (PYSEC-1)"]


def test_nothing_found_is_said_only_if_all_is_known() -> None:
    sound = {"name": "sound", "version": "1", "vulns": []}

    assert npm_findings(json.dumps({"vulnerabilities": {}})) == []
    assert pip_findings(json.dumps({"dependencies": [sound]})) == []
    with pytest.raises(NotAnswered, match="1 of 2"):
        pip_findings(json.dumps({"dependencies": [sound, {"name": "unknown", "skip_reason": "not found"}]}))


def test_a_registry_that_does_not_answer_is_no_failure() -> None:
    with pytest.raises(NotAnswered, match="405 Method Not Allowed"):
        npm_findings(json.dumps({"message": "405 Method Not Allowed"}))
    with pytest.raises(NotAnswered):
        pip_findings("Traceback (most recent call last): ...")
