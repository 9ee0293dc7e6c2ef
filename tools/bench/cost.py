"""What a million orders cost on AWS: measured figures, and list prices (us-east-1, arm64, no free tier)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.table import Table

from tools.bench.environment import Answer

# From the pages "AWS Lambda Pricing", "Amazon API Gateway Pricing", "Pricing for On-Demand Capacity" (DynamoDB),
# "Amazon CloudWatch Pricing" and "AWS X-Ray pricing". What Lambda reads of a table's stream is free.
LISTED = "November 2025"
MILLION = 1_000_000
API_REQUEST = 3.50 / MILLION  # REST API
LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GIGABYTE_SECOND = 0.0000133334
WRITE_UNIT, READ_UNIT = 0.625 / MILLION, 0.125 / MILLION
STORED_GIGABYTE_MONTH = 0.25
LOG_GIGABYTE = 0.50
TRACE = 5.00 / MILLION

# "Configure Lambda function memory": with this much, a function has one CPU.
MEGABYTES_OF_A_CPU = 1769
# What the runtime itself logs of an invocation: START, END and REPORT.
PLATFORM_LOG_BYTES = 300
# The assumed answer time of DynamoDB, within the region, beside what the function itself computes.
DYNAMODB_SECONDS = 0.005
RECOVERY_EVERY_SECONDS, RECOVERY_SECONDS, RECOVERY_QUERIES = 300, 0.5, 16
GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Load:
    """Orders that come evenly, so many a second."""

    orders_a_second: float

    def sampled(self) -> float:
        """The part of the requests that X-Ray records by its default rule: one a second, and 5 % of the others."""
        return min(1.0, (1 + 0.05 * (self.orders_a_second - 1)) / self.orders_a_second)


@dataclass(frozen=True)
class Measured:
    """What the costs come from."""

    creates: Sequence[Answer]
    batches: Mapping[int, Sequence[Answer]]
    write_units: Mapping[str, float]
    item_bytes: int
    delay_seconds: float

    def batch_seconds(self, size: float, memory: int) -> float:
        """What Lambda would bill for a batch, its computing stretched to the CPU that comes with the memory.

        An upper bound: some of the computing is done while payments are waited for.
        """
        return self.delay_seconds + self._line("cpu_seconds", size) * MEGABYTES_OF_A_CPU / memory + DYNAMODB_SECONDS

    def batch_log_bytes(self, size: float) -> float:
        """What a batch logs."""
        return self._line("log_bytes", size) + PLATFORM_LOG_BYTES

    def _line(self, name: str, size: float) -> float:
        """The straight line through the smallest and the largest batch."""
        smallest, largest = min(self.batches), max(self.batches)
        low, high = (median(getattr(answer, name) for answer in self.batches[each]) for each in (smallest, largest))
        return float(low + (high - low) * (size - smallest) / (largest - smallest))


def batch_size(measured: Measured, load: Load, memory: int, lanes: int, largest: int) -> float:
    """How many orders gather in a lane while it is at work; one, if it is idle when they come."""
    size = 1.0
    for _ in range(100):
        size = min(max(load.orders_a_second / lanes * measured.batch_seconds(size, memory), 1.0), largest)
    return size


def of_a_million(
    measured: Measured, load: Load, memory: Mapping[str, int], lanes: int, largest: int
) -> dict[str, float]:
    """The costs by item, in dollars."""
    size = batch_size(measured, load, memory["processPayment"], lanes, largest)
    batch = _invocation(memory["processPayment"], measured.batch_seconds(size, memory["processPayment"]))
    return _common(measured, load, memory) | {
        "Lambda, ProcessPayment": MILLION * batch / size,
        "logs": MILLION * _log(measured, measured.batch_log_bytes(size) / size),
    }


def of_a_million_by_a_loop(measured: Measured, load: Load, memory: Mapping[str, int]) -> dict[str, float]:
    """The same, if ProcessPayment pays for one order after the other."""
    seconds = measured.batch_seconds(1, memory["processPayment"])
    return _common(measured, load, memory) | {
        "Lambda, ProcessPayment": MILLION * _invocation(memory["processPayment"], seconds),
        "logs": MILLION * _log(measured, measured.batch_log_bytes(1)),
    }


def table(measured: Measured, memory: Mapping[str, int], lanes: int, largest: int) -> Table:
    """The costs at several loads, beside those of the loop."""
    loads = [Load(1), Load(10), Load(100)]
    columns = {f"{load.orders_a_second:g}/s": of_a_million(measured, load, memory, lanes, largest) for load in loads}
    columns["100/s, a loop"] = of_a_million_by_a_loop(measured, loads[-1], memory)
    result = Table(
        title=f"What a million orders cost, in dollars (list prices of {LISTED}, us-east-1, arm64)",
        title_justify="left",
        title_style="bold",
    )
    result.add_column("orders that come at")
    for name in columns:
        result.add_column(name, justify="right")
    for item in columns["1/s"]:
        result.add_row(item, *(f"{costs[item]:.2f}" for costs in columns.values()))
    result.add_section()
    result.add_row("together", *(f"{sum(costs.values()):.2f}" for costs in columns.values()), style="bold")
    return result


def _common(measured: Measured, load: Load, memory: Mapping[str, int]) -> dict[str, float]:
    cpu_seconds = median(answer.cpu_seconds for answer in measured.creates)
    create_seconds = cpu_seconds * MEGABYTES_OF_A_CPU / memory["createOrder"] + DYNAMODB_SECONDS
    recoveries = MILLION / load.orders_a_second / RECOVERY_EVERY_SECONDS
    recovery = _invocation(memory["recoverOrders"], RECOVERY_SECONDS) + RECOVERY_QUERIES * READ_UNIT / 2
    return {
        "API Gateway, POST": MILLION * API_REQUEST,
        "Lambda, CreateOrder": MILLION * _invocation(memory["createOrder"], create_seconds),
        "Lambda, ProcessPayment": 0,
        "RecoverOrders, all of it": recoveries * recovery,
        "DynamoDB, writes": MILLION * sum(measured.write_units.values()) * WRITE_UNIT,
        "DynamoDB, a month's storage": MILLION * measured.item_bytes / GIGABYTE * STORED_GIGABYTE_MONTH,
        "the stream": 0,
        "logs": 0,
        "traces": MILLION * load.sampled() * TRACE,
    }


def _invocation(memory: int, seconds: float) -> float:
    return LAMBDA_REQUEST + memory / 1024 * seconds * LAMBDA_GIGABYTE_SECOND


def _log(measured: Measured, batch_bytes_an_order: float) -> float:
    create_bytes = median(answer.log_bytes for answer in measured.creates) + PLATFORM_LOG_BYTES
    return (create_bytes + batch_bytes_an_order) / GIGABYTE * LOG_GIGABYTE
