"""`npm run simulate`: run the service in virtual time under seeded failures, and count what became of the orders."""

import argparse
import gc
import secrets
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import active_children, get_context

from rich.console import Console, Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import serverless_yml
from simulation.aws.settings import Settings
from simulation.results import Outcome, Results
from simulation.world import run_world
from tools.command import run

SEEDS = 1_000_000
ORDERS_PER_WORLD = 5_000
SIGNALS = {signal.SIGINT, signal.SIGTERM}
ALL_OCCURS_IN = 100_000  # orders; a smaller run may leave something out


def main() -> int:
    """Simulate, and show the counts; 1 if a promise was broken."""
    options = _options()
    for number in SIGNALS:  # a shell may have set it to ignore Ctrl-C
        signal.signal(number, signal.default_int_handler)
    results: list[Results] = []
    failed = run(lambda: results.append(_simulate(options.orders, options.seed)))
    return failed or show(results[0], options)


def _simulate(orders: int, seed: int) -> Results:
    settings = Settings.of(serverless_yml.load())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("orders", total=orders)
        outcomes: list[Outcome] = []
        for outcome in _run_worlds(settings, orders, seed):
            outcomes.append(outcome)
            progress.advance(task, outcome.orders)
        return Results(outcomes)


def _run_worlds(settings: Settings, orders: int, seed: int) -> Iterator[Outcome]:
    """Run worlds, one on each processor, until all orders came to their end or a promise was broken."""
    shares = [min(ORDERS_PER_WORLD, orders - start) for start in range(0, orders, ORDERS_PER_WORLD)]
    # The garbage collector takes a fifth of the time unless it comes rarely: each world ends with a collection.
    rarely = (50_000, 20, 100)
    with ProcessPoolExecutor(None, get_context("spawn"), gc.set_threshold, rarely) as processes:
        # The processes inherit that these are blocked. This one takes them, and ends the others.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        worlds = [
            processes.submit(run_world, settings, share, f"{seed}/{number}") for number, share in enumerate(shares)
        ]
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            for world in worlds:
                yield world.result()
                if world.result().broken:
                    break
        finally:
            for process in active_children():
                process.kill()


def show(results: Results, options: argparse.Namespace) -> int:
    """Print the counts; return 1, and print the order's history, if a promise was broken."""
    console = Console(highlight=False)
    orders, attempts, failures = results.tables()
    side_by_side = Table.grid(padding=(0, 6))
    side_by_side.add_row(Group(orders, "", attempts), failures)
    console.print(side_by_side)
    command = f"npm run simulate -- --orders {options.orders} --seed {options.seed}"
    console.print(f"\n{command}\nThis seed's run is always {results.digest}.", soft_wrap=True)
    if results.broken:
        console.print(f"\n{results.broken}", markup=False, soft_wrap=True)
        return 1
    if options.orders >= ALL_OCCURS_IN and results.never_occurred:
        console.print(f"\nNever occurred: {', '.join(results.never_occurred)}.", soft_wrap=True)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run simulate --", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEEDS), help="of the run (default: by chance)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
