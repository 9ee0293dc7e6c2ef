"""Decides, by chance, which of the plan's failures occur."""

import random
from collections import Counter
from collections.abc import Iterable

from simulation.plan import RATES, UNDISTURBED, Phase, Plan
from simulation.virtual.time import VirtualTime

# How often an order is throttled while nothing else is to fail: not as often as shared/outcome_writer.py tries.
MOST_THROTTLES = 3


class InjectedFailures:
    """Whether a failure occurs now, and how often each has."""

    def __init__(self, plan: Plan, virtual_time: VirtualTime, chance: random.Random) -> None:
        self.counts = Counter[str]()
        self._plan = plan
        self._virtual_time = virtual_time
        self._chance = chance
        self._throttles = Counter[str]()
        self._phase = plan.phase_at(0)
        self._rates = RATES.get(self._phase.kind, {})

    def occurs(self, failure: str, share: float = 1) -> bool:
        """Decide about a failure, which is less likely here if a share of its rate is given."""
        rate = self._rates_now().get(failure, 0) * share
        if not rate or self._chance.random() >= rate:
            return False
        self.counts[failure] += 1
        return True

    def throttles(self, failure: str, order_ids: Iterable[str], share: float = 1) -> bool:
        """Decide whether these orders are throttled."""
        if failure not in self._rates_now():
            return False
        if self._phase.kind in UNDISTURBED and any(
            self._throttles[order_id] >= MOST_THROTTLES for order_id in order_ids
        ):
            return False
        is_throttled = self.occurs(failure, share)
        if is_throttled:
            self._throttles.update(order_ids)
        return is_throttled

    @property
    def phase(self) -> Phase:
        """The phase that it is now."""
        self._rates_now()
        return self._phase

    @property
    def are_possible(self) -> bool:
        """Whether any failure can occur now."""
        return bool(self._rates_now())

    def _rates_now(self) -> dict[str, float]:
        if not self._phase.start <= self._virtual_time.now < self._phase.end:
            self._phase = self._plan.phase_at(self._virtual_time.now)
            self._rates = RATES.get(self._phase.kind, {})
        return self._rates
