"""`npm run bench`: how fast and how cheap the service is, measured on this machine in a few minutes."""

import argparse
import json
import platform
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from local import service
from local.dynamodb import ROOT_ARTIFACTS
from tools.bench import batch, cold, cost, round_trip, scale, warm
from tools.bench.environment import EnvironmentFailed
from tools.bench.results import speed_table
from tools.bench.stand import NotOnThisMachine, Stand, item, stand
from tools.bench.units import write_units
from tools.package import NotPackaged

WIDTH = 118
# How often each thing is measured: cold starts, blocks of warm requests, batches of each size, single orders, a burst.
THOROUGH, QUICK = (20, 10, 3, 10, 200), (4, 2, 1, 3, 40)


def main() -> int:
    """Measure, and show the results on the terminal and, if wanted, as a picture."""
    options = _options()
    console = Console(record=True, width=WIDTH, highlight=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress, ExitStack() as context:
            preparing = progress.add_task("the package and DynamoDB Local", total=None)
            ready = context.enter_context(stand())
            progress.update(preparing, total=1, completed=1)
            results = scale.measure(ready, progress) if options.scale else _measure(ready, progress, options)
    except (EnvironmentFailed, NotOnThisMachine, NotPackaged, round_trip.LocalRunFailed) as failure:
        print(failure, file=sys.stderr)
        return 1
    console.print(_machine(), style="dim")
    for result in results:
        console.print(result)
    if options.svg:
        console.save_svg(str(options.svg), title="npm run bench")
    return 0


def _measure(ready: Stand, progress: Progress, options: argparse.Namespace) -> list[Any]:
    colds, blocks, rounds, singles, burst = QUICK if options.quick else THOROUGH

    def advancing(what: str, total: int) -> Any:  # noqa: ANN401  # a callback
        task = progress.add_task(what, total=total)
        return lambda: progress.advance(task)

    cold_section = cold.measure(ready, colds, advancing("cold starts", colds))
    warm_results = warm.measure(ready, blocks, advancing("warm requests", blocks))
    batches = batch.measure(ready, rounds, advancing("batches of payments", batch.steps(rounds)))
    over_http = round_trip.measure(ready.delay_seconds, singles, burst, advancing("orders over HTTP", singles + 1))
    units = write_units(ready)
    measured = cost.Measured(
        creates=warm_results.answers,
        batches=batches.answers,
        write_units=units,
        item_bytes=len(json.dumps(item())),
        delay_seconds=ready.delay_seconds,
    )
    memory = {name: _memory(ready.settings, name) for name in ready.settings["functions"]}
    mapping = service.stream_event(ready.settings, "processPayment")
    lanes, largest = int(mapping["parallelizationFactor"]), int(mapping["batchSize"])
    peak = max(answer.peak_memory for answers in batches.answers.values() for answer in answers) / 1024
    package = f"The package: {ready.package.stat().st_size / 1e6:.1f} MB."
    writes = f"Write units of an order: {units['created']:g} to create, {units['settled']:g} to settle."
    return [
        speed_table([cold_section, warm_results.section, *batches.sections, over_http]),
        f"{package} {writes} ProcessPayment's memory with 1,000 orders: {peak:.0f} MB.",
        cost.table(measured, memory, lanes, largest),
    ]


def _memory(settings: Mapping[str, Any], name: str) -> int:
    return int(settings["functions"][name].get("memorySize") or settings["provider"]["memorySize"])


def _machine() -> str:
    """Where this was measured, and with what."""
    versions = ", ".join(f"{name} {version(name)}" for name in ("boto3", "pydantic", "aws-lambda-powertools"))
    database = ROOT_ARTIFACTS[0].partition(":")[2].replace(":", " ")
    return (
        f"{_processor()}; {platform.platform(terse=True)}; Python {platform.python_version()}, {versions}, {database}"
    )


def _processor() -> str:
    cpus = Path("/proc/cpuinfo")
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} x {models[0]}" if models else platform.processor()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run bench --", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure each thing a few times only, for a first look")
    parser.add_argument("--scale", action="store_true", help="show how it grows from 1 to 10,000 orders a second")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="save the tables as a picture, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
