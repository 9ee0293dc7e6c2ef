"""Settles the orders whose payment is due now, instead of at the next scheduled run: `npm run recover`."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console

from local import service
from local.environment import LAMBDA_PORT
from local.lambda_endpoint import ANSWER_MARGIN_SECONDS, invoker
from local.stream_mapping import FunctionError, FunctionNotInvoked, Invoke
from tools.command import CommandFailed, add_stage, no_local_run, run

FUNCTION = "recoverOrders"


def main(arguments: Sequence[str]) -> int:
    """Invoke RecoverOrders until nothing is left that it can settle."""
    options = _options(arguments)
    return run(lambda: _recover(options))


def _recover(options: argparse.Namespace) -> None:
    recovered = deferred = failed = 0
    with Console(stderr=True).status("Looking for the function …") as progress:
        recover = _deployed(options.stage, options.region) if options.stage else _local(options.lambda_port)
        while True:
            progress.update(f"{_orders(recovered)} recovered; looking for more …")
            try:
                result = recover({}) or {}
            except FunctionNotInvoked:
                raise no_local_run(options.lambda_port) from None
            except FunctionError as error:
                raise CommandFailed(str(error)) from error
            recovered, deferred, failed = (
                recovered + result["recovered"],
                deferred + result["deferred"],
                result["failed"],
            )
            if not result["recovered"] + result["deferred"]:
                break
    print(f"{_orders(recovered)} recovered.")
    if deferred:
        print(f"{_orders(deferred)} could not be paid: each is tried again when it is due (see `due_at`).")
    if failed:
        print(f"{_orders(failed)} could not be recorded: each is tried again at the next run.")


def _orders(count: int) -> str:
    return "1 order" if count == 1 else f"{count} orders"


def _local(port: int) -> Invoke:
    return invoker(service.function(service.load(), FUNCTION), port)


def _deployed(stage: str, region: str | None) -> Invoke:
    resolved = service.load(stage, region)
    function = service.function(resolved, FUNCTION)
    # An invocation that takes its time is no reason for the SDK to send another.
    config = Config(read_timeout=function["timeout"] + ANSWER_MARGIN_SECONDS, retries={"total_max_attempts": 1})
    client = boto3.client("lambda", region_name=resolved["provider"]["region"], config=config)

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        answer = client.invoke(FunctionName=function["name"], Payload=json.dumps(event))
        result: dict[str, Any] = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise FunctionError(str(result.get("errorMessage")))
        return result

    return invoke


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run recover --", description=__doc__)
    add_stage(parser, "recover the orders of this stage, not the local run's")
    parser.add_argument("--lambda-port", type=int, default=LAMBDA_PORT, help="of the local run (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
