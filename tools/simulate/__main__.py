"""`npm run simulate`: run the service in virtual time under seeded faults, and count what became of the orders."""

import argparse
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.columns import Columns
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local import service
from tools.command import run
from tools.simulate.results import Outcome, Results
from tools.simulate.settings import Settings
from tools.simulate.world import World

ORDERS_PER_WORLD = 5_000
SEEDS = 1_000_000


def main() -> int:
    """Simulate, and show the counts; 1 if a promise was broken."""
    options = _options()
    results: list[Results] = []
    failed = run(lambda: results.append(simulate(options.orders, options.seed)))
    if failed:
        return failed
    console = Console(highlight=False)
    console.print(Columns(results[0].tables(), padding=(0, 6)))
    command = f"npm run simulate -- --orders {options.orders} --seed {options.seed}"
    console.print(f"\n{command}: run {results[0].digest}, the same for the same seed.")
    if results[0].broken:
        console.print(results[0].broken, markup=False)
        return 1
    return 0


def simulate(orders: int, seed: int) -> Results:
    """Run worlds side by side, one on each processor, until all orders came to their end or a promise was broken."""
    settings = Settings.of(service.load())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    outcomes: dict[int, Outcome] = {}
    with (
        Progress(*columns, console=Console(stderr=True), transient=True) as progress,
        ProcessPoolExecutor(mp_context=get_context("spawn")) as processes,
    ):
        task = progress.add_task("orders", total=orders)
        numbers = {
            processes.submit(run_world, settings, share, f"{seed}/{number}"): number
            for number, share in enumerate(_shares(orders))
        }
        for number, future in enumerate(numbers):
            outcomes[number] = future.result()
            progress.advance(task, outcomes[number].orders)
            if outcomes[number].broken:
                processes.shutdown(wait=False, cancel_futures=True)
                break
    return Results([outcomes[number] for number in sorted(outcomes)])


def run_world(settings: Settings, orders: int, seed: str) -> Outcome:
    """Run one world."""
    return World(settings, orders, seed).run()


def _shares(orders: int) -> Iterator[int]:
    while orders > 0:
        yield min(orders, ORDERS_PER_WORLD)
        orders -= ORDERS_PER_WORLD


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run simulate --", description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEEDS), help="of the run (default: by chance)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
