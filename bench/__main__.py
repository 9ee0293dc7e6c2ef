"""`npm run bench`: how fast and how cheap is the service? As ratios, which hold on any machine.

One file a question: cold_start.py, warm_request.py, batch.py, failing_payment.py, recovery.py, cost.py.
"""

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from rich.console import Console

from bench import batch, cold_start, cost, failing_payment, recovery, warm_request
from bench.report import table
from bench.test_bed import TestBed, new_order, test_bed
from local import serverless_yml
from shared.order_table import to_item
from tools.command import run
from tools.repository import callers_path

WIDTH = 118
ROUNDS, QUICK_ROUNDS = 4, 2


def main() -> int:
    """Measure one thing after the other, and show each on the terminal and, if asked for, in a picture."""
    options = _options()
    console = Console(record=True, width=WIDTH, highlight=False)
    console.print(_machine(), style="dim")
    return run(lambda: _bench(console, QUICK_ROUNDS if options.quick else ROUNDS, options.svg))


def _bench(console: Console, rounds: int, svg: Path | None) -> None:
    with test_bed() as bed:
        _measure(bed, rounds, console)
    if svg:
        console.save_svg(str(svg), title="npm run bench", unique_id="bench")


def _measure(bed: TestBed, rounds: int, console: Console) -> None:
    console.print(table(cold_start.TITLE, cold_start.measure(bed, rounds)))
    figures, creates = warm_request.measure(bed, rounds)
    console.print(table(warm_request.TITLE, figures))
    figures, batches = batch.measure(bed, rounds)
    console.print(table(batch.TITLE, figures))
    console.print(table(failing_payment.TITLE, failing_payment.measure(bed, rounds)))
    figures, recovered = recovery.measure(bed, rounds, recovery.BACKLOG if rounds == ROUNDS else recovery.QUICK_BACKLOG)
    console.print(table(recovery.TITLE, figures))

    modules = {"createOrder": "create_order", "processPayment": "process_payment", "recoverOrders": "recover_orders"}
    imports = {}
    for name, module in modules.items():
        with bed.function(module) as started:
            imports[name] = started.imported.cpu_seconds
    mapping = serverless_yml.stream_event(bed.settings, "processPayment")
    measured = cost.Measured(
        creates=creates,
        batches=batches,
        idle_recoveries=recovered.idle,
        imports=imports,
        item_bytes=len(json.dumps(to_item(new_order().processed(str(uuid4()))))),
        delay_seconds=bed.delay_seconds,
        memory={name: bed.memory(name) for name in bed.settings["functions"]},
        lanes_of_a_shard=int(mapping["parallelizationFactor"]),
        largest_batch=int(mapping["batchSize"]),
    )
    console.print(cost.table(measured))
    peak = max(answer.peak_megabytes for answers in batches.values() for answer in answers)
    seconds = measured.batch_seconds(measured.largest_batch)
    lanes = measured.lanes_of_a_shard
    console.print(
        f"The package: {bed.package.stat().st_size / 1e6:.1f} MB. ProcessPayment with 1,000 orders: {peak:.0f} MB of"
        f" memory, {seconds:.1f} s at {measured.memory['processPayment']} MB.\nSo the {lanes} lanes of a shard"
        f" settle up to {lanes * measured.largest_batch / seconds:,.0f} orders a second.\n{recovered}"
    )


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if platform.system() == "Linux" else []
    models = [line.partition(": ")[2] for line in lines if line.startswith("model name")]
    versions = ", ".join(f"{name} {version(name)}" for name in ("boto3", "pydantic", "aws-lambda-powertools"))
    return f"{len(models)} x {models[0]}; Python {platform.python_version()}, {versions}" if models else versions


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run bench --", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="measure less often, for a first look")
    parser.add_argument("--svg", type=callers_path, metavar="FILE", help="also save the tables as a picture")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
