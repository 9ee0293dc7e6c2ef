"""`npm start`: the whole service on this machine, until Ctrl-C."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from local.child_process import LocalRunFailed
from local.environment import API_PORT, DYNAMODB_PORT, LAMBDA_PORT, XRAY_PORT, environment
from local.local_run import LocalRun, Ports, Stopped
from local.ports import is_free

HIGHEST_PORT = 65_535
PORTS = {
    "--port": (API_PORT, "the API"),
    "--lambda-port": (LAMBDA_PORT, "Lambda's Invoke API"),
    "--dynamodb-port": (DYNAMODB_PORT, "DynamoDB Local"),
    "--xray-port": (XRAY_PORT, "X-Ray: its daemon (UDP) and its API (TCP)"),
}


def main(arguments: Sequence[str]) -> int:
    """Run until the end: 0 when somebody asked for it, 1 when a part failed."""
    options = _options(arguments)
    for name, port in vars(options).items():
        if not is_free(port):
            print(
                f"Port {port} is in use: end what listens there (`lsof -i :{port}` names it), "
                f"or choose another with `npm start -- --{name.replace('_', '-')} PORT`.",
                file=sys.stderr,
            )
            return 1
    ours = environment(options.dynamodb_port, options.xray_port)
    os.environ.clear()
    os.environ.update(ours)
    run = LocalRun(Ports(options.port, options.lambda_port, options.dynamodb_port, options.xray_port))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, run.end)
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
    """Print it; if nobody reads any more, leave nothing that the interpreter would try to write ("Note on SIGPIPE")."""
    try:
        print(line, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm start --", description=__doc__)
    for option, (port, owner) in PORTS.items():
        parser.add_argument(option, type=_port, default=port, metavar="PORT", help=f"of {owner} (default: {port})")
    options = parser.parse_args(arguments)
    if len(set(vars(options).values())) < len(PORTS):
        parser.error(f"{', '.join(PORTS)} must differ")
    return options


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= HIGHEST_PORT:
        return int(text)
    raise argparse.ArgumentTypeError(f"a port is a number from 1 to {HIGHEST_PORT}, not {text!r}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
