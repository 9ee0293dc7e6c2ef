"""What happens when: phases with orders, each with failures of its kind, and what the provider does with each order."""

import math
import random
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

MINUTE, HOUR = 60.0, 3600.0
# For how long the stream keeps its records, and the provider its idempotency keys.
RETENTION = 24 * HOUR
# Between two phases, so that what one has left behind is over when the next one begins.
GAP = 20 * MINUTE

# How likely a failure is, at each point where it can occur, by the kind of the phase.
TABLE_FAILURES = {
    "call throttled": 0.1,
    "statement throttled": 0.15,
    "table fails": 0.05,
    "table unreachable": 0.03,
    "answer lost": 0.05,
    "answer late": 0.05,
    "keys unprocessed": 0.2,
}
CRASHES = {"crash at the table": 0.03, "crash at the provider": 0.003}
DELIVERY_FAILURES = {
    "batch delivered again": 0.3,
    "old records delivered in disorder": 1.0,
    "schedule doubled": 0.5,
    "schedule late": 0.5,
}
RATES: dict[str, dict[str, float]] = {
    "calm": {},
    "throttled": {"call throttled": 0.1, "statement throttled": 0.05},
    "table fails": TABLE_FAILURES,
    "crashes": CRASHES,
    "deploys": {"deploy kills": 1.0},
    "disorder": DELIVERY_FAILURES,
    "poison": {"poison": 1.0},
    "provider away": {"provider away": 0.9},
    "backlog": {"provider away": 1.0},
    "aftermath": {"schedule doubled": 0.3, "schedule late": 0.3},
    "function away": {"function not invoked": 0.995, "schedule missed": 0.5},
    "all at once": {
        **{name: rate / 3 for name, rate in (TABLE_FAILURES | CRASHES | DELIVERY_FAILURES).items()},
        "provider away": 0.1,
        "function not invoked": 0.1,
        "deploy kills": 0.3,
    },
}
# In the first phase the stream is off for longer than it keeps its records, and the function cannot be invoked when it
# is on again; or RecoverOrders is off, too, until orders are due that have just come to their deadline.
STREAM_OFF, ALL_OFF, BACKLOG, AFTERMATH = "stream off", "all off", "backlog", "aftermath"
OTHERS = [*(kind for kind in RATES if kind not in {"function away", AFTERMATH}), "calm"]
UNDISTURBED = {"calm", "throttled"}
OFF = 35 * MINUTE
# After a backlog, until all that waited for the provider is settled: the longest backoff, and the time that it takes.
AFTERMATH_SECONDS = 2 * HOUR


@dataclass(frozen=True)
class Phase:
    """A stretch of time with failures of one kind, and how many orders the clients send in it."""

    kind: str
    start: float
    end: float
    orders: int


@dataclass(frozen=True)
class Plan:
    """The phases of a run, one after the other, and the deadline of orders, in seconds.

    In the backlog a share of the provider's calls hangs, RecoverOrders is off after a share of it, and the orders with
    a key are in one bucket of the index, unless it is empty.
    """

    phases: tuple[Phase, ...]
    deadline: float
    hanging: float
    off_after: float
    bucket: str

    @classmethod
    def draw(cls, orders: int, deadline: float, chance: random.Random) -> "Plan":
        """Draw a plan for a number of orders."""
        first, others = chance.choice([STREAM_OFF, ALL_OFF]), chance.sample(OTHERS, len(OTHERS))
        kinds = [first, "function away", *others, "calm"]
        is_large = chance.random() < 0.4  # the backlog
        weights = [chance.uniform(0.5, 1.5) * (20 if is_large and kind == BACKLOG else 1) for kind in kinds]
        phases, start, left = [], 0.0, orders
        for number, kind in enumerate(kinds):
            share = left if number == len(kinds) - 1 else round(orders * weights[number] / sum(weights))
            share, left = min(share, left), left - min(share, left)
            lengths = {STREAM_OFF: 30 * HOUR, ALL_OFF: deadline + 10 * MINUTE, BACKLOG: chance.uniform(1.5, 3) * HOUR}
            end = start + lengths.get(kind, chance.uniform(10, 20) * MINUTE)
            phases.append(Phase(kind, start, end, share))
            start = end if kind == STREAM_OFF else end + GAP
            if kind == BACKLOG:
                start = end + AFTERMATH_SECONDS
                phases.append(Phase(AFTERMATH, end, start, 0))
        off_after = 0.05 if is_large else chance.choice([0.3, 1.0])
        bucket = chance.choice(["", *chance.choices("0123456789abcdef", k=3)])
        return cls(tuple(phases), deadline, chance.choice([0.2, 0.2, 1.0]), off_after, bucket)

    @cached_property
    def _starts(self) -> list[float]:
        return [phase.start for phase in self.phases]

    @property
    def end(self) -> float:
        """When the last failure is over."""
        return self.phases[-1].end

    @property
    def backlog(self) -> Phase:
        """The phase in which the provider is unavailable for hours."""
        return next(phase for phase in self.phases if phase.kind == BACKLOG)

    def draw_start(self, phase: Phase, chance: random.Random) -> float:
        """Draw when a client begins to send orders in a phase."""
        if phase.kind == STREAM_OFF and chance.random() < 0.3:  # those whose records are just kept
            return phase.end - RETENTION + chance.uniform(0, 15) * MINUTE
        if phase.kind == ALL_OFF and chance.random() < 0.8:  # those whose deadline comes as a run has just begun
            run = math.ceil(phase.end / MINUTE) * MINUTE + chance.choice([0, 0, 1, 2]) * MINUTE
            return max(0, run + chance.uniform(1, 9) - self.deadline)
        return chance.uniform(phase.start, phase.start + 0.9 * (phase.end - phase.start))

    def is_schedule_off(self, time: float) -> bool:
        """Whether RecoverOrders is switched off: after the last phase most of the time, so that deadlines pass then."""
        if time > self.end:
            return time % (4 * OFF) < 3 * OFF
        phase = self.phase_at(time)
        has_begun = time - phase.start > self.off_after * (phase.end - phase.start)
        return phase.kind == ALL_OFF or (phase.kind == BACKLOG and has_begun)

    def phase_at(self, time: float) -> Phase:
        """Return the phase at a time; between two, and after the last, one of no kind."""
        number = bisect_right(self._starts, time)
        phase = self.phases[number - 1]
        if time < phase.end:
            return phase
        following = self.phases[number].start if number < len(self.phases) else float("inf")
        return Phase("", phase.end, following, 0)


@dataclass
class Script:
    """What the provider does with an order: with each call of `charge` one of the failures, then as it should."""

    is_declined: bool = False
    failures: list[str] = field(default_factory=list)
    # Until then it does not answer, once it has no failures left.
    away_until: float = 0.0
    is_slow: bool = False  # to answer `find`

    @property
    def is_fine(self) -> bool:
        """Whether the provider does nothing unusual."""
        return not self.is_declined and not self.failures and not self.away_until

    @classmethod
    def draw(cls, now: float, plan: Plan, chance: random.Random) -> "Script":
        """Draw a script for an order that is created now."""
        some = chance.choices(CHARGE_FAILURES, k=chance.randint(1, 4))
        if plan.phase_at(now).kind == ALL_OFF:
            failures = chance.choice([[], ["answers late"], some])
            return cls(failures=failures, is_slow=chance.random() < 0.5)
        late = now + plan.deadline + chance.choice([chance.uniform(-0.5, 0.5), chance.uniform(-0.5, 2)]) * HOUR
        match chance.choices(range(len(WEIGHTS)), WEIGHTS)[0]:
            case 0:
                return cls(is_slow=chance.random() < 0.05)
            case 1:
                return cls(is_declined=True, failures=chance.choices([[], ["answers, then hangs"]], [3, 1])[0])
            case 2:
                return cls(failures=some)
            case 3:  # for longer than the provider remembers
                away_until = min(now + chance.uniform(25, 30) * HOUR, late)
                return cls(failures=[chance.choice(CHARGING)], away_until=away_until)
            case 4:
                return cls(away_until=late)
            case _:
                return cls(failures=[chance.choice(CHARGING)], away_until=late)


CHARGING = ["answers, then hangs", "answers late"]
CHARGE_FAILURES = ["unavailable", "hangs", "adapter fails", *CHARGING]
WEIGHTS = [88.2, 4, 7, 0.35, 0.35, 0.1]
