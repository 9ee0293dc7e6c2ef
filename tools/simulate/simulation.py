"""Worlds side by side, one on each processor, with seeds that derive from one."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tools.simulate.results import Outcome, Results
from tools.simulate.settings import Settings
from tools.simulate.world import World

ORDERS_PER_WORLD = 5_000


def simulate(settings: Settings, orders: int, seed: int, advance: Callable[[int], None]) -> Results:
    """Run worlds until all orders came to their end or a promise was broken."""
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as processes:
        worlds = [
            processes.submit(run_world, settings, share, f"{seed}/{number}")
            for number, share in enumerate(_shares(orders))
        ]
        for world in worlds:
            outcomes.append(world.result())
            advance(outcomes[-1].orders)
            if outcomes[-1].broken:
                processes.shutdown(wait=False, cancel_futures=True)
                break
    return Results(outcomes)


def run_world(settings: Settings, orders: int, seed: str) -> Outcome:
    """Run one world."""
    outcome = World(settings, orders, seed).run()
    gc.collect()  # the next one needs the memory
    return outcome


def _shares(orders: int) -> Iterator[int]:
    while orders > 0:
        yield min(orders, ORDERS_PER_WORLD)
        orders -= ORDERS_PER_WORLD
