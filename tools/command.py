"""What the commands for operators share: the stage they ask, and one line for whatever keeps them from working."""

import argparse
import sys
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError


class CommandFailed(Exception):
    """The command cannot do its work; the message says why, and what to do."""


def add_stage(parser: argparse.ArgumentParser, help: str) -> None:  # noqa: A002  # argparse's own name
    """Let the caller name a deployed stage, and its region, instead of the local run."""
    parser.add_argument("--stage", choices=["dev", "prod"], help=help)
    parser.add_argument("--region", help="the region of the stage, if it is not the one in serverless.yml")


def run(command: Callable[[], None]) -> int:
    """Run a command: 0 if it did its work, 1 if it could not, having said why."""
    try:
        command()
    except NoCredentialsError:
        message = "AWS has no credentials of yours: set them with `aws configure`, or in the environment."
    except (BotoCoreError, ClientError, CommandFailed) as error:
        message = str(error)
    else:
        return 0
    print(message, file=sys.stderr)
    return 1
