"""Settles now what waits too long for its payment, instead of at the next scheduled run: `npm run recover`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from rich.console import Console

from local import service
from local.child_process import LocalRunFailed
from local.environment import LAMBDA_PORT
from local.lambda_endpoint import invoke
from local.stream_mapping import FunctionError, FunctionNotInvoked

FUNCTION = "recoverOrders"
Recover = Callable[[], dict[str, Any] | None]


def main(arguments: Sequence[str]) -> int:
    """Invoke RecoverOrders until nothing is left that it can settle."""
    options = _options(arguments)
    console = Console(stderr=True)
    try:
        with console.status("Looking for the function …") as progress:
            recover = _deployed(options.stage) if options.stage else _local(options.lambda_port)
            recovered, failed = 0, 0
            while True:
                progress.update(f"{recovered} orders recovered; looking for more …")
                result = recover() or {}
                recovered, failed = recovered + result["recovered"], result["failed"]
                if not result["recovered"]:
                    break
    except NoCredentialsError:
        return _fail("AWS has no credentials of yours: set them with `aws configure`, or in the environment.")
    except FunctionNotInvoked:
        return _fail(
            f"No local run answers on port {options.lambda_port}: start it with `npm start`, or name a --stage."
        )
    except (BotoCoreError, ClientError, FunctionError, LocalRunFailed) as error:
        return _fail(str(error))
    left = f"; {failed} could not be, and are tried again at the next run" if failed else ""
    print(f"{recovered} orders recovered{left}.")
    return 0


def _local(port: int) -> Recover:
    function = service.function(service.load(), FUNCTION)
    return lambda: invoke({}, port=port, function_name=function["name"], timeout_seconds=function["timeout"] + 5)


def _deployed(stage: str) -> Recover:
    resolved = service.load(stage)
    function = service.function(resolved, FUNCTION)
    # An invocation that takes its time is no reason for the SDK to send another.
    config = Config(read_timeout=function["timeout"] + 5, retries={"total_max_attempts": 1})
    client = boto3.client("lambda", region_name=resolved["provider"]["region"], config=config)

    def recover() -> dict[str, Any]:
        answer = client.invoke(FunctionName=function["name"], Payload=b"{}")
        result: dict[str, Any] = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise FunctionError(str(result.get("errorMessage")))
        return result

    return recover


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run recover --", description=__doc__)
    parser.add_argument(
        "--stage", choices=["dev", "prod"], help="recover the orders of this stage, not the local run's"
    )
    parser.add_argument("--lambda-port", type=int, default=LAMBDA_PORT, help="of the local run (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
