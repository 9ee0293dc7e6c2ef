"""Draws the waterfall of an order's trace, from its request to its settled payment: `npm run trace -- ORDER_ID`."""

import argparse
import io
import json
import re
import sys
import time
from collections.abc import Sequence
from uuid import UUID

from rich.console import Console

from shared.order import OrderNotFound
from tools.command import CommandFailed, add_stage, run
from tools.local_run import API_PORT, PAGE_PORT, XRAY_PORT
from tools.repository import callers_path
from tools.stage import Stage
from tools.trace.order_trace import OrderTrace
from tools.trace.search import Search, search_local_run, search_stage
from tools.trace.waterfall import draw, is_complete, status
from tools.trace.xray import POLL_SECONDS

SVG_CHARACTERS = 120


def main(arguments: Sequence[str]) -> int:
    """Draw the trace, or print in one line why that is not possible."""
    options = _options(arguments)
    return run(lambda: _trace(options))


def _trace(options: argparse.Namespace) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    with console.status("Looking for the order …"):
        search = _search(options)
    trace = _wait(search, options.wait, console)
    sources = [trace.sources(search.traces.source), *search.notes]
    if not trace.documents:
        raise CommandFailed(" ".join(sources))
    (console if options.json else Console(soft_wrap=True, highlight=False)).print(*sources, sep="\n")
    try:
        _show(options, trace)
    except OSError as error:
        raise CommandFailed(f"The picture cannot be written: {error}.") from error


def _search(options: argparse.Namespace) -> Search:
    try:
        if options.stage:
            return search_stage(options.order_id, Stage.of(options.stage, options.region))
        return search_local_run(options.order_id, options.port, options.xray_port, options.page_port)
    except OrderNotFound:
        where = f"in stage {options.stage}" if options.stage else f"in the local run on port {options.port}"
        raise CommandFailed(f"There is no order {options.order_id} {where}.") from None


def _wait(search: Search, seconds: float, console: Console) -> OrderTrace:
    """Read the trace until it is complete, or the time is over."""
    deadline = time.monotonic() + seconds
    with console.status("") as progress:
        while not search.is_over(trace := search.read()) and (left := deadline - time.monotonic()) > 0:
            now = f"The order is {status(trace.documents, search.order_id)}, or parts of its trace are missing"
            progress.update(f"{now}; waiting for up to {left:.0f} s …")
            time.sleep(POLL_SECONDS)
    if trace.documents and not is_complete(trace.documents, search.order_id):
        now = f"the order is {status(trace.documents, search.order_id)}"
        console.print(f"Not complete after {seconds:.0f} s: {now}. Its trace so far:")
    return trace


def _show(options: argparse.Namespace, trace: OrderTrace) -> None:
    documents = trace.documents
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


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run trace --", description=__doc__)
    parser.add_argument("order_id", type=UUID, help="the order's id")
    add_stage(parser, "ask AWS for an order of this stage, not the local run")
    parser.add_argument("--svg", type=callers_path, metavar="FILE", help="also write the picture to a file")
    parser.add_argument("--json", action="store_true", help="print X-Ray's documents instead of the picture")
    wait = "wait for a complete trace up to this long (default: 60)"
    parser.add_argument("--wait", type=float, default=60, metavar="SECONDS", help=wait)
    ports = {"--port": (API_PORT, "API"), "--xray-port": (XRAY_PORT, "X-Ray"), "--page-port": (PAGE_PORT, "order page")}
    for name, (port, part) in ports.items():
        parser.add_argument(name, type=int, default=port, help=f"of the local {part} (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
