"""`npm run simulate`: run the service in virtual time under seeded faults, and count what became of the orders."""

import argparse
import secrets
import sys

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from local import service
from tools.command import run
from tools.simulate.results import Results
from tools.simulate.settings import Settings
from tools.simulate.simulation import simulate

SEEDS = 1_000_000


def main() -> int:
    """Simulate, and show the counts; 1 if a promise was broken."""
    options = _options()
    results: list[Results] = []
    failed = run(lambda: results.append(_simulate(options.orders, options.seed)))
    return failed or show(results[0], options)


def _simulate(orders: int, seed: int) -> Results:
    settings = Settings.of(service.load())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("orders", total=orders)
        return simulate(settings, orders, seed, lambda done: progress.advance(task, done))


def show(results: Results, options: argparse.Namespace) -> int:
    """Print the counts; return 1, and print the order's history, if a promise was broken."""
    console = Console(highlight=False)
    side_by_side = Table.grid(padding=(0, 6))
    side_by_side.add_row(*results.tables())
    console.print(side_by_side)
    command = f"npm run simulate -- --orders {options.orders} --seed {options.seed}"
    console.print(f"\n{command}\nThis seed's run is always {results.digest}.", soft_wrap=True)
    if results.broken:
        console.print(f"\n{results.broken}", markup=False, soft_wrap=True)
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="npm run simulate --", description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="how many (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(SEEDS), help="of the run (default: by chance)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
