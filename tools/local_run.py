"""Where the local run (`npm start`) listens, unless its options say otherwise, and how to call it."""

from typing import TYPE_CHECKING

import boto3

from tools.command import CommandFailed

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

API_PORT, PAGE_PORT, XRAY_PORT = 3000, 3001, 2000


def no_local_run(port: int) -> CommandFailed:
    """Nothing answers where the local run would."""
    return CommandFailed(f"No local run answers on port {port}: start it with `npm start`, or name a --stage.")


def xray_client(endpoint_url: str) -> "XRayClient":
    """Return a client of the local X-Ray, which accepts any credentials."""
    session = boto3.Session(
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106  # nothing secret
        region_name="us-east-1",
    )
    return session.client("xray", endpoint_url=endpoint_url)
