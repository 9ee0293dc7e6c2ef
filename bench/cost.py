"""Calculates what a million orders cost on AWS, from what was measured and the list prices (us-east-1, arm64)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from statistics import median

from rich.table import Table

from bench.lambda_.execution_environment import Answer

# "AWS Lambda Pricing", "Amazon API Gateway Pricing", "Pricing for On-Demand Capacity" (DynamoDB), "Amazon CloudWatch
# Pricing" and "AWS X-Ray pricing". Lambda's reads of a table's stream are free.
LISTED = "November 2025"
MILLION, GIGABYTE = 1_000_000, 1_000_000_000
API_REQUEST = 3.50 / MILLION  # REST API
LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GIGABYTE_SECOND = 0.0000133334
WRITE_UNIT, READ_UNIT = 0.625 / MILLION, 0.125 / MILLION
STORED_GIGABYTE_MONTH, BACKED_UP_GIGABYTE_MONTH = 0.25, 0.20
LOG_GIGABYTE = 0.50
TRACE = 5.00 / MILLION

# "Configure Lambda function memory": with this much, a function has one CPU.
MEGABYTES_OF_A_CPU = 1769
# Lambda's own lines of an invocation: START, END and REPORT; and API Gateway's line (resources/access-logs.yml).
PLATFORM_LOG_BYTES, ACCESS_LOG_BYTES = 300, 300
# Assumed: how long DynamoDB takes to answer within the region.
DYNAMODB_SECONDS = 0.005
# To create an order writes its item and its index entry. To settle it updates the item and deletes the entry. A failed
# attempt updates the item and replaces the entry: a deletion and a new one. Each is less than 1 kB.
WRITE_UNITS, WRITE_UNITS_OF_A_FAILURE = 4, 3
# DynamoDB adds it to each item that it stores ("DynamoDB item sizes and formats").
OVERHEAD_BYTES = 100
# A run of RecoverOrders queries the 16 keys of the index, at half a unit each, and reads due orders consistently.
RECOVERY_EVERY_SECONDS, RECOVERY_READS, RECOVERY_READ_UNITS, READ_UNITS_OF_A_FAILURE = 60, 16, 8, 1
# A new on-demand table has about four partitions, each of which is a shard of the stream: it serves 4,000 write units
# a second at once, and a partition serves 1,000 ("DynamoDB on-demand capacity mode", "Burst and adaptive capacity").
SHARDS = 4
# Assumed: "Lambda terminates execution environments every few hours" ("Lambda execution environment lifecycle").
ENVIRONMENT_SECONDS = 2 * 3600
ORDERS_A_SECOND = (1, 10, 100)


@dataclass(frozen=True)
class Measured:
    """What was measured: the answers of CreateOrder, of ProcessPayment by the size of the batch, of RecoverOrders."""

    creates: Sequence[Answer]
    batches: Mapping[int, Sequence[Answer]]
    idle_recoveries: Sequence[Answer]
    # The CPU time in which each function is imported.
    imports: Mapping[str, float]
    item_bytes: int
    delay_seconds: float
    memory: Mapping[str, int]
    lanes_of_a_shard: int
    largest_batch: int

    def batch_seconds(self, size: float) -> float:
        """Return what Lambda bills for a batch: the payment, and the CPU time at the share that the memory gives.

        An upper bound: part of the CPU time is spent while payments are awaited.
        """
        cpu_seconds = self._of_a_batch("cpu_seconds", size)
        return self.delay_seconds + self._at_its_share(cpu_seconds, "processPayment") + DYNAMODB_SECONDS

    def create_seconds(self) -> float:
        """Return what Lambda bills for a request to CreateOrder."""
        return self._at_its_share(_median_cpu_seconds(self.creates), "createOrder") + DYNAMODB_SECONDS

    def idle_recovery_seconds(self) -> float:
        """Return what Lambda bills for a run of RecoverOrders when no order is due."""
        cpu_seconds = _median_cpu_seconds(self.idle_recoveries)
        return self._at_its_share(cpu_seconds, "recoverOrders") + RECOVERY_READS * DYNAMODB_SECONDS

    def batch_size(self, rate: float) -> float:
        """Return the average size of a batch, if orders come at random times.

        A lane takes together what came while it worked. If nothing came (e^-x of the times), it takes the next order.
        """
        size = 1.0
        for _ in range(100):
            coming = rate / (SHARDS * self.lanes_of_a_shard) * self.batch_seconds(size)
            size = min(coming + exp(-coming), self.largest_batch)
        return size

    def init_gigabyte_seconds(self, rate: float, size: float) -> float:
        """Return what Lambda bills for starting environments while a million orders come.

        Less memory makes the imports slower in the same proportion, so their CPU time alone decides.
        """
        environments = {
            "createOrder": max(1.0, rate * self.create_seconds()),
            "processPayment": max(1.0, rate / size * self.batch_seconds(size)),
            "recoverOrders": 1.0,
        }
        cpu_seconds = sum(number * self.imports[function] for function, number in environments.items())
        starts = max(1.0, MILLION / rate / ENVIRONMENT_SECONDS)
        return starts * cpu_seconds * MEGABYTES_OF_A_CPU / 1024

    def log_bytes(self, size: float) -> float:
        """Return what is logged of an order."""
        create = median(answer.log_bytes for answer in self.creates) + PLATFORM_LOG_BYTES
        return ACCESS_LOG_BYTES + create + (self._of_a_batch("log_bytes", size) + PLATFORM_LOG_BYTES) / size

    def _at_its_share(self, cpu_seconds: float, function: str) -> float:
        return cpu_seconds * max(MEGABYTES_OF_A_CPU / self.memory[function], 1)

    def _of_a_batch(self, name: str, size: float) -> float:
        """Interpolate between the smallest and the largest batch that were measured."""
        smallest, largest = min(self.batches), max(self.batches)
        low, high = (median(getattr(answer, name) for answer in self.batches[each]) for each in (smallest, largest))
        return float(low + (high - low) * (size - smallest) / (largest - smallest))


def costs(measured: Measured, rate: float, size: float) -> dict[str, float]:
    """Return the costs of a million orders that come at a rate, in batches of a size, in dollars."""
    recovery = _invocation(measured.memory["recoverOrders"], measured.idle_recovery_seconds())
    batch = _invocation(measured.memory["processPayment"], measured.batch_seconds(size))
    stored_gigabytes = MILLION * (measured.item_bytes + OVERHEAD_BYTES) / GIGABYTE
    return {
        "API Gateway, POST": MILLION * API_REQUEST,
        "Lambda, CreateOrder": MILLION * _invocation(measured.memory["createOrder"], measured.create_seconds()),
        "Lambda, ProcessPayment": MILLION * batch / size,
        "Lambda, INIT of all functions": measured.init_gigabyte_seconds(rate, size) * LAMBDA_GIGABYTE_SECOND,
        "RecoverOrders": MILLION / rate / RECOVERY_EVERY_SECONDS * (recovery + RECOVERY_READ_UNITS * READ_UNIT),
        "DynamoDB, writes": MILLION * WRITE_UNITS * WRITE_UNIT,
        "DynamoDB, storage for a month": stored_gigabytes * STORED_GIGABYTE_MONTH,
        "DynamoDB, backup for a month": stored_gigabytes * BACKED_UP_GIGABYTE_MONTH,
        "logs": MILLION * measured.log_bytes(size) / GIGABYTE * LOG_GIGABYTE,
        "traces of orders": MILLION * _sampled(rate) * TRACE,
        "traces of batches": MILLION / size * _sampled(rate / size) * TRACE,
    }


def failed_attempt() -> float:
    """Return what a million failed attempts add, in dollars."""
    return MILLION * (WRITE_UNITS_OF_A_FAILURE * WRITE_UNIT + READ_UNITS_OF_A_FAILURE * READ_UNIT)


def table(measured: Measured) -> Table:
    """Draw the costs at several rates, and those of a function that charges one order an invocation."""
    sizes = {f"{rate}/s": (rate, measured.batch_size(rate)) for rate in ORDERS_A_SECOND}
    sizes[f"{ORDERS_A_SECOND[-1]}/s, one by one"] = (ORDERS_A_SECOND[-1], 1)
    columns = {name: costs(measured, rate, size) for name, (rate, size) in sizes.items()}
    title = f"What a million orders cost in prod, in dollars (list prices of {LISTED}, us-east-1, arm64)"
    caption = f"A million failed attempts add {failed_attempt():.2f}."
    result = Table(title=title, title_justify="left", title_style="bold", caption=caption, caption_justify="left")
    result.add_column("orders come at")
    for name in columns:
        result.add_column(name, justify="right")
    for item in columns["1/s"]:
        result.add_row(item, *(f"{column[item]:.2f}" for column in columns.values()))
    result.add_section()
    result.add_row("together", *(f"{sum(column.values()):.2f}" for column in columns.values()), style="bold")
    result.add_row("orders in a batch", *(f"{size:.1f}" for _, size in sizes.values()))
    return result


def _sampled(rate: float) -> float:
    """Return the share that X-Ray's default rule traces: one request a second, and 5 % of the others."""
    return min(1.0, (1 + 0.05 * (rate - 1)) / rate)


def _median_cpu_seconds(answers: Sequence[Answer]) -> float:
    return median(answer.cpu_seconds for answer in answers)


def _invocation(memory: int, seconds: float) -> float:
    return LAMBDA_REQUEST + memory / 1024 * seconds * LAMBDA_GIGABYTE_SECOND
