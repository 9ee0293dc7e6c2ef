"""What `sls package` makes of a stage, to check rules on."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lambda_.package import THIS_MACHINE, package
from local.environment import environment
from local.serverless_yml import SERVERLESS
from tools.bill import PACKAGE, TEMPLATE
from tools.repository import ROOT

OF_LIBRARIES = ("serverless-python-requirements", "./resources/bytecode")


@dataclass(frozen=True)
class Compiled:
    """A stage, and the folder that has its template and its package."""

    stage: str
    folder: Path

    @property
    def template(self) -> Path:
        return self.folder / TEMPLATE

    @property
    def package(self) -> Path:
        return self.folder / PACKAGE

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of an AWS type, by logical id."""
        resources = self.section("Resources")
        return {name: resource for name, resource in resources.items() if resource["Type"] == f"AWS::{kind}"}

    def properties(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of an AWS type, by logical id."""
        return {name: resource["Properties"] for name, resource in self.resources(kind).items()}

    def only(self, kind: str) -> dict[str, Any]:
        """The properties of the only resource of an AWS type."""
        (properties,) = self.properties(kind).values()
        return properties

    def section(self, name: str) -> dict[str, Any]:
        """A section of the template."""
        section: dict[str, Any] = json.loads(self.template.read_text())[name]
        return section

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each statement of each role's own policies, with the role's logical id."""
        for role, properties in self.properties("IAM::Role").items():
            for policy in properties.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield role, statement


def packaged_dev(folder: Path) -> Compiled:
    """Package dev for this machine; does nothing if that is done."""
    return Compiled("dev", package(folder / "package-dev", "--param", THIS_MACHINE).parent)


def replaced(path: Path, old: str, new: str) -> None:
    """Change a file in a place that has to be there."""
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


def a_copy(folder: Path) -> Path:
    """Copy what `sls package` needs of the repository, without the plugins that pack the libraries."""
    for name in ("serverless.yml", "package.json"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "resources", folder / "resources")
    for name in ("functions", "shared", "node_modules"):
        (folder / name).symlink_to(ROOT / name)
    for plugin in OF_LIBRARIES:
        replaced(folder / "serverless.yml", f"  - {plugin}\n", "")
    return folder


def compiled_copy(copy: Path, stage: str, *options: str) -> Compiled:
    """Compile a stage of a copy. Its package has no libraries."""
    subprocess.run(
        [SERVERLESS, "package", "--package", str(copy / "package"), "--stage", stage, *options],
        cwd=copy,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return Compiled(stage, copy / "package")
