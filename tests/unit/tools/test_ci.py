"""The workflow of CI and Dependabot's settings: valid, and about the commands and versions that there are."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tools.repository import ROOT

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
DEPENDABOT = ROOT / ".github" / "dependabot.yml"


@pytest.mark.parametrize(("schema", "path"), [("github-workflows", WORKFLOW), ("dependabot", DEPENDABOT)])
def test_the_file_is_valid_by_githubs_schema(schema: str, path: Path) -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout


def test_ci_runs_scripts_of_the_package_on_every_node_that_has_support() -> None:
    package = json.loads((ROOT / "package.json").read_text())
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    versions = jobs["test"]["strategy"]["matrix"]["node"]

    assert commands == ["npm test", "npm run audit"]
    assert {re.sub("^npm (run )?", "", command) for command in commands} <= set(package["scripts"])
    assert versions == [22, 24]


def test_the_project_runs_on_the_versions_of_node_that_osls_runs_on() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert lock["node_modules/serverless"]["name"] == "osls"
    assert lock[""]["engines"] == lock["node_modules/serverless"]["engines"]
    assert json.loads((ROOT / "package.json").read_text())["engines"] == lock[""]["engines"]


def test_pytest_itself_finds_the_tools_that_npm_test_finds() -> None:
    show = "import shutil, tests.conftest; print(*map(shutil.which, ('python', 'sls', 'poetry')))"

    found = subprocess.run(
        [sys.executable, "-c", show], cwd=ROOT, env={"PATH": "/bin"}, capture_output=True, text=True, check=True
    )

    folders = (".venv/bin/python", "node_modules/.bin/sls", ".poetry/bin/poetry")
    assert found.stdout.split() == [str(ROOT / folder) for folder in folders]
