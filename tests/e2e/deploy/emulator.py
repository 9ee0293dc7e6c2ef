"""AWS on this machine, for the deployment: ministack, an emulator that needs no Docker."""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
import requests

from local.child_process import ChildProcess
from local.environment import packaging_environment
from local.ports import free_port
from local.xray import LocalXRay
from tests.own_environment import tool
from tests.waiting import eventually
from tools.repository import ROOT
from tools.trace.xray import Traces

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

REQUIREMENT = "ministack==1.5.33"  # it needs an older botocore than the functions have
COMMAND_SECONDS = 300
ADMINISTRATOR = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class Emulator:
    """A running ministack, which checks every call of a function against the role of that function."""

    def __init__(self, folder: Path, xray: LocalXRay) -> None:
        self.port = free_port()
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._xray = xray  # ministack has none
        self._log = folder / "ministack.log"

    def client(self, service: str) -> Any:  # noqa: ANN401  # stubs need a literal name
        """A client of one of its services, the administrator's."""
        create: Any = boto3.client
        return create(service, endpoint_url=self.endpoint_url)

    def environment(self) -> dict[str, str]:
        """What makes it AWS for a command."""
        return packaging_environment(self.port) | ADMINISTRATOR | {"AWS_ENDPOINT_URL_XRAY": self._xray.endpoint_url}

    def npm_run(self, script: str, *options: str) -> str:
        """Run a script of package.json against it, as an operator would; returns what it printed."""
        ended = subprocess.run(
            ["npm", "run", "--silent", script, "--", *options],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout
        return ended.stdout

    def log(self) -> str:
        """What it and the functions said last."""
        return self._log.read_text(errors="replace")[-5000:]

    def __enter__(self) -> Self:
        ministack = tool(REQUIREMENT)
        # Nothing of our environment: the functions inherit it, and would not miss what serverless.yml forgets.
        own_environment = {
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(self._folder),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AUTH": "true",
            "AWS_ENDPOINT_URL_XRAY": self._xray.endpoint_url,
            "AWS_XRAY_DAEMON_ADDRESS": self._xray.daemon_address,
        }
        with self._log.open("wb") as log:
            self._process = ChildProcess([str(ministack)], output=log, environment=own_environment, folder=self._folder)
        try:
            eventually(lambda: self._answers() or self._process.has_ended())
            assert not self._process.has_ended()
        except AssertionError as error:
            self._process.kill()
            error.add_note(self.log())
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.endpoint_url}/_ministack/health", timeout=1).ok
        except requests.RequestException:
            return False


class EmulatorTraces(Traces):
    """The traces in the local X-Ray, each with the segment of the function itself, which Lambda sends on AWS."""

    def __init__(self, client: "XRayClient") -> None:
        super().__init__(client, is_local=True)

    def read(self, trace_id: str) -> list[dict[str, Any]]:
        """Read the documents, and add the segments that their subsegments belong to."""
        documents = super().read(trace_id)
        known = {document["id"] for document in documents}
        parts = [part for part in documents if part.get("type") == "subsegment" and part["parent_id"] not in known]
        return documents + [
            {name: part[name] for name in ("trace_id", "start_time", "end_time")}
            | {"id": part["parent_id"], "name": "function", "origin": "AWS::Lambda::Function"}
            for part in parts
        ]
