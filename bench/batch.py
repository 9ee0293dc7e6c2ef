"""Measures how long ProcessPayment takes for a batch, at full speed and with a third of a core."""

from collections import defaultdict

from bench.execution_environment import Answer
from bench.report import Figure
from bench.test_bed import TestBed, stream_event

TITLE = "A batch ÷ the time of one payment"
SIZES = (1, 100, 1000)
# For each share of a core: its name, and the targets by size.
SHARES = {
    1.0: ("", {100: 1.05, 1000: 1.35}),
    1 / 3: (", a third of a core", {100: 1.1, 1000: 1.6}),
}


def measure(bed: TestBed, rounds: int) -> tuple[list[Figure], dict[int, list[Answer]]]:
    """Measure batches of each size; the cost is calculated from the answers at full speed, by size."""
    figures: list[Figure] = []
    at_full_speed: dict[int, list[Answer]] = {}
    for cpu, (suffix, targets) in SHARES.items():
        ours: dict[int, list[Answer]] = defaultdict(list)
        usual: list[float] = []
        with bed.function("process_payment", cpu=cpu) as function, bed.baseline("single_updates", cpu=cpu) as baseline:
            function.invoke(stream_event(bed.create(SIZES[-1])))  # warms up DynamoDB Local, too
            for _ in range(rounds):
                for size in SIZES:
                    ours[size].append(function.invoke(stream_event(bed.create(size)), sampled=True))
                usual.append(baseline.invoke(stream_event(bed.create(SIZES[-1]))).seconds)
        for size, answers in ours.items():
            seconds = [answer.seconds for answer in answers]
            name = f"{size:,} order{'s' * (size > 1)}{suffix}"
            figures.append(Figure(name, seconds, bed.delay_seconds, targets.get(size)))
        figures.append(Figure(f"1,000, single updates{suffix}", usual, bed.delay_seconds))
        at_full_speed = at_full_speed or dict(ours)
    return figures, at_full_speed
