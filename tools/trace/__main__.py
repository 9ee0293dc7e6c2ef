"""Draws the waterfall of an order's trace, from its request to its settled payment: `npm run trace -- ORDER_ID`."""

import argparse
import io
import json
import re
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import requests
from rich.console import Console

from shared.order import OrderNotFound
from shared.order_table import OrderTable
from shared.tracing import TraceHeader
from tools.command import CommandFailed, add_stage, run
from tools.local_run import API_PORT, XRAY_PORT, no_local_run, xray_client
from tools.repository import callers_path
from tools.stage import Stage
from tools.trace.documents import POLL_SECONDS, read_documents
from tools.trace.waterfall import draw, is_complete, status

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

SVG_CHARACTERS = 120


def main(arguments: Sequence[str]) -> int:
    """Draw the trace, or print in one line why that is not possible."""
    options = _options(arguments)
    return run(lambda: _trace(options))


def _trace(options: argparse.Namespace) -> None:
    console = Console(stderr=True)
    with console.status("Looking for the order …"):
        try:
            trace_id, xray = (_find_deployed if options.stage else _find_local)(options)
        except OrderNotFound:
            raise CommandFailed(f"There is no order {options.order_id} {_where(options)}.") from None
    if trace_id is None:
        raise CommandFailed(f"Order {options.order_id} was not sampled: X-Ray has no trace of it.")
    documents = _wait(xray, trace_id, options, console)
    try:
        _show(options, documents)
    except OSError as error:
        raise CommandFailed(f"The picture cannot be written: {error}.") from error


def _find_local(options: argparse.Namespace) -> tuple[str | None, "XRayClient"]:
    """Return the id of an order's trace, and X-Ray's API: those of `npm start`."""
    try:
        response = requests.get(f"http://127.0.0.1:{options.port}/orders/{options.order_id}", timeout=10)
    except requests.ConnectionError:
        raise no_local_run(options.port) from None
    if response.status_code == requests.codes.not_found:
        raise OrderNotFound
    return response.json().get("trace_id"), xray_client(f"http://127.0.0.1:{options.xray_port}")


def _find_deployed(options: argparse.Namespace) -> tuple[str | None, "XRayClient"]:
    """Do the same for a deployed stage, with the caller's own credentials. Without a sample there is no id."""
    stage = Stage.of(options.stage, options.region)
    orders = OrderTable(stage.orders_table(), stage.session.client("dynamodb"))
    header = TraceHeader.parse(orders.get(options.order_id).trace_header)
    return header.trace_id if header and header.sampled else None, stage.session.client("xray")


def _wait(xray: "XRayClient", trace_id: str, options: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """Read the trace until it is complete, or the time is over."""
    order_id, deadline = str(options.order_id), time.monotonic() + options.wait
    with console.status("") as progress:
        while not is_complete(documents := read_documents(xray, trace_id), order_id):
            left = deadline - time.monotonic()
            if left < 0:
                break
            now = f"The order is {status(documents, order_id)}, or parts of its trace are missing"
            progress.update(f"{now}; waiting for up to {left:.0f} s …")
            time.sleep(POLL_SECONDS)
        else:
            return documents
    if not documents:
        raise CommandFailed(f"X-Ray has no segment of trace {trace_id} after {options.wait:.0f} s.")
    now = f"the order is {status(documents, order_id)}"
    console.print(f"Not complete after {options.wait:.0f} s: {now}. Its trace so far:")
    return documents


def _show(options: argparse.Namespace, documents: Sequence[dict[str, Any]]) -> None:
    if options.json:
        print(json.dumps(documents, indent=2))
        return
    title = f"Order {options.order_id} · {status(documents, str(options.order_id))}"
    console = Console()
    console.print(draw(title, documents, console.width))
    if options.svg:
        recorder = Console(record=True, file=io.StringIO(), width=SVG_CHARACTERS)
        recorder.print(draw(title, documents, SVG_CHARACTERS))
        svg = recorder.export_svg(title=f"npm run trace -- {options.order_id}", unique_id="trace")
        # Without Rich's web fonts, which the reader's browser would download.
        options.svg.write_text(re.sub(r"@font-face {.*?}\s*", "", svg, flags=re.DOTALL))


def _where(options: argparse.Namespace) -> str:
    return f"in stage {options.stage}" if options.stage else f"in the local run on port {options.port}"


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run trace --", description=__doc__)
    parser.add_argument("order_id", type=UUID, help="the order's id")
    add_stage(parser, "ask AWS for an order of this stage, not the local run")
    parser.add_argument("--svg", type=callers_path, metavar="FILE", help="also write the picture to a file")
    parser.add_argument("--json", action="store_true", help="print X-Ray's documents instead of the picture")
    parser.add_argument(
        "--wait",
        type=float,
        default=60,
        metavar="SECONDS",
        help="wait for a complete trace up to this long (default: 60)",
    )
    parser.add_argument("--port", type=int, default=API_PORT, help="of the local API (default: %(default)s)")
    parser.add_argument("--xray-port", type=int, default=XRAY_PORT, help="of the local X-Ray (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
