"""`npm start`: the whole service on this machine, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from local.child_process import LocalRunFailed
from local.environment import DYNAMODB_PORT, LAMBDA_PORT, PAGE_PORT, environment
from local.local_run import LocalRun, Ports, Stopped
from local.ports import is_free
from tools.local_run import API_PORT, XRAY_PORT

HIGHEST_PORT = 65_535
PORTS = {
    "--page-port": (PAGE_PORT, "the order page"),
    "--port": (API_PORT, "the API"),
    "--lambda-port": (LAMBDA_PORT, "Lambda's Invoke API"),
    "--dynamodb-port": (DYNAMODB_PORT, "DynamoDB Local"),
    "--xray-port": (XRAY_PORT, "X-Ray: its daemon (UDP) and its API (TCP)"),
}


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C (0), or until a part fails (1)."""
    options = _options(arguments)
    ports = _ports(options)
    for option, port in zip(PORTS, ports, strict=True):
        if not is_free(port):
            print(
                f"Port {port} is in use: end the process that uses it (`lsof -i :{port}` shows it), "
                f"or choose another with `npm start -- {option} PORT`.",
                file=sys.stderr,
            )
            return 1
    ours = environment(options.dynamodb_port, options.xray_port)
    os.environ.clear()
    os.environ.update(ours)
    run = LocalRun(ports, options.database, json=options.json)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, run.end)
    run.say(f"The order page: http://127.0.0.1:{options.page_port}")
    run.say("Starting DynamoDB Local, X-Ray, the API and the stream mapping …")
    try:
        run.run()
    except LocalRunFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except Stopped:
        _say_at_last("\nEnded, and all that was started with it.")
    return 0


def _say_at_last(line: str) -> None:
    """Print the line. If the output is closed, avoid an error at exit.

    See https://docs.python.org/3/library/signal.html#note-on-sigpipe.
    """
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm start --", description=__doc__)
    for option, (port, owner) in PORTS.items():
        parser.add_argument(option, type=_port, default=port, metavar="PORT", help=f"of {owner} (default: {port})")
    parser.add_argument(
        "--database", type=Path, metavar="FOLDER", help="where the orders are kept (default: in memory, for this run)"
    )
    parser.add_argument("--json", action="store_true", help="show the functions' log lines as they write them")
    options = parser.parse_args(arguments)
    if len(set(_ports(options))) < len(PORTS):
        parser.error(f"{', '.join(PORTS)} must differ")
    if options.database:
        options.database.mkdir(parents=True, exist_ok=True)
    return options


def _ports(options: argparse.Namespace) -> Ports:
    return Ports(options.page_port, options.port, options.lambda_port, options.dynamodb_port, options.xray_port)


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to {HIGHEST_PORT}, not {text!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
