"""What the commands for operators share: the options --stage and --region, and one-line error messages."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

INTERRUPTED = 130  # what a shell returns for a command that Ctrl-C ended


class CommandFailed(Exception):
    """The command cannot do its work; the message says why, and what to do."""


def add_stage(parser: argparse.ArgumentParser, help: str) -> None:  # noqa: A002  # argparse's own name
    """Let the caller name a deployed stage, and its region, instead of the local run."""
    parser.add_argument("--stage", choices=["dev", "prod"], help=help)
    parser.add_argument("--region", help="the region of the stage, if it is not the one in serverless.yml")


def run(command: Callable[[], object]) -> int:
    """Run a command, and return its exit code. If it fails, print one line that says why."""
    try:
        command()
    except NoCredentialsError:
        message = "No AWS credentials were found: set them with `aws configure`, or in the environment."
    except (BotoCoreError, ClientError, CommandFailed) as error:
        message = str(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    else:
        return 0
    print(message, file=sys.stderr)
    return 1


@contextmanager
def permissions(service: str) -> Iterator[None]:
    """Name the permission that a call of the service lacks.

    Raises
    ------
    CommandFailed
    """
    try:
        yield
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        raise CommandFailed(f"Your AWS credentials lack the permission {service}:{error.operation_name}.") from None
