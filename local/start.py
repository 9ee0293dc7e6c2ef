"""`npm start`: the whole service on this machine, until Ctrl-C."""

import argparse
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from local.child_process import LocalRunFailed
from local.environment import DEBUG_PORT, DYNAMODB_PORT, LAMBDA_PORT, environment
from local.ports import is_free
from tools.local_run import API_PORT, PAGE_PORT, XRAY_PORT
from tools.repository import callers_path

HIGHEST_PORT = 65_535
PORTS = {
    "--page-port": (PAGE_PORT, "the order page"),
    "--port": (API_PORT, "the API"),
    "--lambda-port": (LAMBDA_PORT, "Lambda's Invoke API"),
    "--dynamodb-port": (DYNAMODB_PORT, "DynamoDB Local"),
    "--xray-port": (XRAY_PORT, "X-Ray: its daemon (UDP) and its API (TCP)"),
}
# The names that `sls offline` has for them, which starts the local run as well (resources/local-only.js).
OFFLINE_OPTIONS = {"--port": "--httpPort", "--lambda-port": "--lambdaPort"}


def main(arguments: Sequence[str]) -> int:
    """Run until Ctrl-C (0), or until a part fails (1)."""
    options = _options(arguments)
    ports = _ports(options)
    debugged = (options.debug, options.debug_port) if options.debug else None
    debug_ports = [("--debug-port", options.debug_port)] if options.debug else []
    for option, port in [*zip(PORTS, ports, strict=True), *debug_ports]:
        if reason := _obstacle(port):
            print(f"Port {port} {reason}choose another with `npm start -- {option} PORT`.", file=sys.stderr)
            return 1
    ours = environment(options.dynamodb_port, options.xray_port)
    os.environ.clear()
    os.environ.update(ours)
    # Not above: moto makes a client of AWS while it is imported.
    from local.local_run import LocalRun, Ports, Stopped  # noqa: PLC0415

    run = LocalRun(Ports(*ports), options.database, json=options.json, debugged=debugged, api_keys=options.api_key)
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


def _obstacle(port: int) -> str:
    try:
        in_use = f"is in use: end the process that uses it (`lsof -i :{port}` shows it), or "
        return "" if is_free(port) else in_use
    except PermissionError:
        return "needs root: "


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
        names = (option, OFFLINE_OPTIONS[option]) if option in OFFLINE_OPTIONS else (option,)
        parser.add_argument(*names, type=_port, default=port, metavar="PORT", help=f"of {owner} (default: {port})")
    parser.add_argument(
        "--database",
        type=_folder,
        metavar="FOLDER",
        help="where the orders are kept (default: in memory, for this run)",
    )
    parser.add_argument("--json", action="store_true", help="show the functions' log lines as they write them")
    parser.add_argument("--debug", metavar="FUNCTION", help="let an editor debug a function, such as createOrder")
    parser.add_argument(
        "--debug-port", type=_port, default=DEBUG_PORT, metavar="PORT", help="for the editor (default: %(default)s)"
    )
    parser.add_argument(
        "--api-key", action="append", default=[], metavar="KEY", help="ask for this key, as AWS does; again for another"
    )
    # People add these to `sls offline`; they change nothing.
    parser.add_argument("-s", "--stage", choices=["dev"], help=argparse.SUPPRESS)
    parser.add_argument("--aws-profile", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if len(set(_ports(options))) < len(PORTS):
        parser.error(f"{', '.join(PORTS)} must differ")
    return options


def _ports(options: argparse.Namespace) -> tuple[int, ...]:
    return options.page_port, options.port, options.lambda_port, options.dynamodb_port, options.xray_port


def _folder(text: str) -> Path:
    """Make the folder, and lock it until we end: DynamoDB Local would let two processes write to one database."""
    try:
        folder = callers_path(text)
        folder.mkdir(parents=True, exist_ok=True)
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        TemporaryFile(dir=folder).close()
    except BlockingIOError:
        raise argparse.ArgumentTypeError(f"another local run uses {text}") from None
    except (OSError, RuntimeError) as error:
        raise argparse.ArgumentTypeError(f"{text} cannot be used: {error}") from None
    return folder


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to {HIGHEST_PORT}, not {text!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
