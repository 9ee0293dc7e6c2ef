"""Deals the faults of the plan, by chance."""

import random
from collections import Counter
from collections.abc import Iterable

from simulation.plan import RATES, UNDISTURBED, Phase, Plan
from simulation.virtual.time import VirtualTime

# How often an order is throttled while nothing else is to fail: not as often as shared/outcome_writer.py tries.
MOST_THROTTLES = 3


class Faults:
    """Whether a fault occurs now, and how often each has."""

    def __init__(self, plan: Plan, virtual_time: VirtualTime, chance: random.Random) -> None:
        self.counts = Counter[str]()
        self._plan = plan
        self._virtual_time = virtual_time
        self._chance = chance
        self._throttles = Counter[str]()
        self._phase = plan.phase_at(0)

    def occurs(self, fault: str) -> bool:
        """Decide about one fault."""
        rate = self._rates().get(fault, 0)
        if not rate or self._chance.random() >= rate:
            return False
        self.counts[fault] += 1
        return True

    def throttles(self, fault: str, order_ids: Iterable[str]) -> bool:
        """Decide whether these orders are throttled."""
        if fault not in self._rates():
            return False
        if self.phase.kind in UNDISTURBED and any(
            self._throttles[order_id] >= MOST_THROTTLES for order_id in order_ids
        ):
            return False
        is_throttled = self.occurs(fault)
        if is_throttled:
            self._throttles.update(order_ids)
        return is_throttled

    @property
    def phase(self) -> Phase:
        """The phase that it is now."""
        if not self._phase.start <= self._virtual_time.now < self._phase.end:
            self._phase = self._plan.phase_at(self._virtual_time.now)
        return self._phase

    @property
    def are_possible(self) -> bool:
        """Whether any fault can occur now."""
        return bool(self._rates())

    def _rates(self) -> dict[str, float]:
        return RATES.get(self.phase.kind, {})
