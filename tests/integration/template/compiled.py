"""What `sls package` makes of a stage, to check rules on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.lambda_.package import THIS_MACHINE, package

# The package of dev is one that can also run here.
OPTIONS = {"dev": ["--param", THIS_MACHINE], "prod": []}
STAGES = list(OPTIONS)


@dataclass(frozen=True)
class Compiled:
    """The template and the package of a stage."""

    stage: str
    template: Path
    package: Path

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of an AWS type, by logical id."""
        resources = self.section("Resources")
        return {name: resource for name, resource in resources.items() if resource["Type"] == kind}

    def properties(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of an AWS type, by logical id."""
        return {name: resource["Properties"] for name, resource in self.resources(kind).items()}

    def section(self, name: str) -> dict[str, Any]:
        """A section of the template."""
        section: dict[str, Any] = json.loads(self.template.read_text())[name]
        return section

    def statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each statement of each role's own policies, with the role's logical id."""
        for role, properties in self.properties("AWS::IAM::Role").items():
            for policy in properties.get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield role, statement


def compiled_stage(stage: str, folder: Path) -> Compiled:
    """Compile a stage into a folder; does nothing if that is done."""
    zipped = package(folder / f"package-{stage}", "--stage", stage, *OPTIONS[stage])
    return Compiled(stage, zipped.with_name("cloudformation-template-update-stack.json"), zipped)
