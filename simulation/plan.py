"""What happens when: phases with orders, each with faults of its kind, and what the provider does with each order."""

import random
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property

MINUTE, HOUR = 60.0, 3600.0
# For how long the stream keeps its records, and the provider its idempotency keys.
RETENTION = 24 * HOUR
# Between two phases, so that what one has left behind is over when the next one begins.
GAP = 20 * MINUTE

# How likely a fault is, at each point where it can occur, by the kind of the phase.
TABLE_FAULTS = {
    "call throttled": 0.1,
    "statement throttled": 0.15,
    "table fails": 0.05,
    "table unreachable": 0.03,
    "answer lost": 0.05,
    "answer late": 0.05,
    "keys unprocessed": 0.2,
}
CRASHES = {"crash at the table": 0.03, "crash at the provider": 0.003}
DELIVERY_FAULTS = {"batch delivered again": 0.3, "old records delivered in disorder": 1.0, "schedule doubled": 0.3}
RATES: dict[str, dict[str, float]] = {
    "calm": {},
    "throttled": {"call throttled": 0.1, "statement throttled": 0.05},
    "table fails": TABLE_FAULTS,
    "crashes": CRASHES,
    "deploys": {"deploy kills": 1.0},
    "disorder": DELIVERY_FAULTS,
    "poison": {"poison": 1.0},
    "provider away": {"provider away": 0.9},
    "function away": {"function not invoked": 0.995, "schedule missed": 0.5},
    "all at once": {
        **{name: rate / 3 for name, rate in (TABLE_FAULTS | CRASHES | DELIVERY_FAULTS).items()},
        "provider away": 0.1,
        "function not invoked": 0.1,
        "deploy kills": 0.3,
    },
}
# The stream is off during the first phase, for longer than it keeps its records; the function is away as it comes back.
PHASES = ("stream off", "function away", *(kind for kind in RATES if kind != "calm"), "calm", "calm", "calm")
STREAM_OFF = 30 * HOUR
OFF = 35 * MINUTE
UNDISTURBED = {"calm", "throttled"}


@dataclass(frozen=True)
class Phase:
    """A stretch of time with faults of one kind, and how many orders the clients send in it."""

    kind: str
    start: float
    end: float
    orders: int


@dataclass(frozen=True)
class Plan:
    """The phases of a run, one after the other."""

    phases: tuple[Phase, ...]

    @classmethod
    def draw(cls, orders: int, chance: random.Random) -> "Plan":
        """Draw a plan for a number of orders."""
        first, others = PHASES[:2], list(PHASES[2:])
        chance.shuffle(others)
        shares = [chance.uniform(0.5, 1.5) for _ in PHASES]
        phases, start, left = [], 0.0, orders
        for number, kind in enumerate((*first, *others)):
            share = left if number == len(PHASES) - 1 else round(orders * shares[number] / sum(shares))
            share, left = min(share, left), left - min(share, left)
            end = start + (STREAM_OFF if kind == "stream off" else chance.uniform(10, 20) * MINUTE)
            phases.append(Phase(kind, start, end, share))
            start = end if kind == "stream off" else end + GAP
        return cls(tuple(phases))

    @cached_property
    def _starts(self) -> list[float]:
        return [phase.start for phase in self.phases]

    @property
    def end(self) -> float:
        """When the last fault is over."""
        return self.phases[-1].end

    @staticmethod
    def draw_start(phase: Phase, chance: random.Random) -> float:
        """Draw when a client begins to send orders in a phase."""
        if phase.kind == "stream off" and chance.random() < 0.3:  # those whose records are just kept
            return phase.end - RETENTION + chance.uniform(0, 15) * MINUTE
        return chance.uniform(phase.start, phase.start + 0.9 * (phase.end - phase.start))

    def is_schedule_off(self, time: float) -> bool:
        """Whether RecoverOrders is switched off: for half of the time, so that some orders pass their deadline then."""
        return time > self.end and time % (2 * OFF) < OFF

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
    """What the provider does with an order: with each call of `charge` one of the faults, then as it should."""

    is_declined: bool = False
    faults: list[str] = field(default_factory=list)
    # Until then it does not answer, once it has no faults left.
    away_until: float = 0.0

    @property
    def is_fine(self) -> bool:
        """Whether the provider does nothing unusual."""
        return not self.is_declined and not self.faults and not self.away_until

    @classmethod
    def draw(cls, now: float, deadline: float, chance: random.Random) -> "Script":
        """Draw a script for an order that is created now."""
        late = now + deadline + chance.choice([chance.uniform(-0.5, 0.5), chance.uniform(-0.5, 2)]) * HOUR
        trouble = chance.choices(range(len(_WEIGHTS)), _WEIGHTS)[0]
        match trouble:
            case 0:
                return cls()
            case 1:
                return cls(is_declined=True, faults=chance.choices([[], ["answers, then hangs"]], [3, 1])[0][:])
            case 2:
                return cls(faults=chance.choices(_FAULTS, k=chance.randint(1, 4)))
            case 3:  # for longer than the provider remembers
                return cls(faults=[chance.choice(_CHARGING)], away_until=min(now + chance.uniform(25, 30) * HOUR, late))
            case 4:
                return cls(away_until=late)
            case _:
                return cls(faults=[chance.choice(_CHARGING)], away_until=late)


_CHARGING = ["answers, then hangs", "answers late"]
_FAULTS = ["unavailable", "hangs", "adapter fails", *_CHARGING]
_WEIGHTS = [88.2, 4, 7, 0.35, 0.35, 0.1]
