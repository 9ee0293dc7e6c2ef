"""Computes what a month of stage dev costs, from its package and AWS's list prices (us-east-1): `npm run bill`."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.observability import Metric
from tools.command import CommandFailed, run
from tools.repository import ROOT

PACKAGED = ROOT / ".serverless"
TEMPLATE, PACKAGE = "cloudformation-template-update-stack.json", "order-processor.zip"

MONTH_MINUTES = 31 * 24 * 60
GIGABYTE = 1e9
# An account has the always-free alarms, dashboards and metrics once, so they are counted for dev and prod.
STAGES = 2

# Of an order that is created, asked for three times and paid for in a batch of its own. The seconds and bytes are upper
# bounds of what `npm run bench` measures, cold starts included.
REQUESTS_OF_AN_ORDER = 4
SECONDS = {"ProcessPaymentLambdaFunction": 4.0}
SECONDS_OF_ANOTHER_FUNCTION = 1.0
LOG_BYTES_OF_AN_INVOCATION = 2_000
ITEM_BYTES = 1_000

# Free of charge by themselves: the requests through them, or what they call, is counted. Look up a type's price before
# you add it here.
FREE_TYPES = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::Budgets::Budget",
    "AWS::Events::Rule",
    "AWS::IAM::Role",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::XRay::SamplingRule",
}
COUNTED_TYPES = {
    "AWS::ApiGateway::RestApi",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
}


@dataclass(frozen=True)
class Line:
    """A line of the bill: what a month uses, how much of it is always free, and the price of the rest."""

    name: str
    used: float
    free: float
    price: float
    source: str

    @property
    def dollars(self) -> float:
        return max(self.used - self.free, 0) * self.price

    def __str__(self) -> str:
        used = f"{self.used:,.0f}" if self.used == int(self.used) else f"{self.used:,.3f}"
        return f"{self.name:<44}{used:>12}{self.free:>12,.0f}{self.dollars:>8.2f}   {self.source}"


def main(arguments: Sequence[str]) -> int:
    """Print the bill."""
    parser = argparse.ArgumentParser(prog="npm run bill --", description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000, help="orders in the month (default: %(default)s)")
    orders: int = parser.parse_args(arguments).orders
    heading = f"A month of dev with {orders:,} orders".ljust(44) + f"{'used':>12}{'free':>12}{'USD':>8}"
    return run(lambda: print(heading, *bill(PACKAGED, orders, orders * REQUESTS_OF_AN_ORDER), sep="\n"))


def bill(folder: Path, orders: int, requests: int) -> list[Line]:
    """Compute the lines of a month with so many orders and requests of clients, from what `sls package` made.

    Raises
    ------
    CommandFailed
        The template has a resource whose price is not known here.
    """
    resources: dict[str, dict[str, Any]] = json.loads((folder / TEMPLATE).read_text())["Resources"]
    if unknown := {resource["Type"] for resource in resources.values()} - FREE_TYPES - COUNTED_TYPES:
        raise CommandFailed(f"tools/bill.py does not know the price of {', '.join(sorted(unknown))}.")
    package_gigabytes = (folder / PACKAGE).stat().st_size / GIGABYTE
    return [
        *_always_free(_Template(resources), orders, requests),
        # API Gateway and S3 have no always-free part. The bucket keeps the package of the last deploy, too.
        Line("API Gateway, requests", requests, 0, 3.50 / 1e6, "Amazon API Gateway Pricing"),
        Line("S3, GB of packages", 2 * package_gigabytes, 0, 0.023, "Amazon S3 pricing"),
    ]


@dataclass(frozen=True)
class _Template:
    resources: Mapping[str, Mapping[str, Any]]

    def of(self, kind: str) -> dict[str, Any]:
        """Return the properties of the resources of a type, by logical id."""
        typed = {name: each for name, each in self.resources.items() if each["Type"] == f"AWS::{kind}"}
        return {name: each["Properties"] for name, each in typed.items()}

    def capacity(self, units: str) -> int:
        owners = [each for table in self.of("DynamoDB::Table").values() for each in _with_indexes(table)]
        return sum(each["ProvisionedThroughput"][units] for each in owners)

    def invocations(self, orders: int, requests: int) -> dict[str, int]:
        """Return how often each function is called: by requests, by the stream, and by its schedule."""
        calls = {
            "CreateOrderLambdaFunction": orders,
            "GetOrderLambdaFunction": requests - orders,
            "ProcessPaymentLambdaFunction": orders,
        }
        for rule in self.of("Events::Rule").values():
            function = rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]
            calls[function] = calls.get(function, 0) + MONTH_MINUTES // _minutes(rule["ScheduleExpression"])
        return calls


def _always_free(template: _Template, orders: int, requests: int) -> Iterator[Line]:
    """List the lines that have an always-free part."""
    provisioned = "Pricing for Provisioned Capacity"
    backups = [table["PointInTimeRecoverySpecification"] for table in template.of("DynamoDB::Table").values()]
    backed_up = sum(each["PointInTimeRecoveryEnabled"] for each in backups)
    yield Line("DynamoDB, write units", template.capacity("WriteCapacityUnits"), 25, 0.47, provisioned)
    yield Line("DynamoDB, read units", template.capacity("ReadCapacityUnits"), 25, 0.09, provisioned)
    yield Line("DynamoDB, GB stored", orders * ITEM_BYTES / GIGABYTE, 25, 0.25, provisioned)
    yield Line("DynamoDB, tables with backups", backed_up, 0, 0.20, provisioned)

    calls, functions = template.invocations(orders, requests), template.of("Lambda::Function")
    gigabyte_seconds = sum(
        count * SECONDS.get(name, SECONDS_OF_ANOTHER_FUNCTION) * functions[name]["MemorySize"] / 1024
        for name, count in calls.items()
    )
    # All orders are traced in dev, and as an upper bound all other requests and all batches too.
    traced = sum(count for name, count in calls.items() if functions[name]["TracingConfig"]["Mode"] == "Active")
    logged = sum(calls.values()) * LOG_BYTES_OF_AN_INVOCATION / GIGABYTE
    yield Line("Lambda, requests", sum(calls.values()), 1e6, 0.20 / 1e6, "AWS Lambda Pricing")
    yield Line("Lambda, GB-s", gigabyte_seconds, 400_000, 0.0000133334, "AWS Lambda Pricing")
    yield Line("X-Ray, traces", traced, 100_000, 5 / 1e6, "AWS X-Ray pricing")
    yield Line("CloudWatch, GB of logs", logged, 5, 0.50, "Amazon CloudWatch Pricing")

    alarms, dashboards = (STAGES * len(template.of(f"CloudWatch::{kind}")) for kind in ("Alarm", "Dashboard"))
    yield Line("CloudWatch, alarms (dev and prod)", alarms, 10, 0.10, "Amazon CloudWatch Pricing")
    yield Line("CloudWatch, metrics (dev and prod)", STAGES * len(Metric), 10, 0.30, "Amazon CloudWatch Pricing")
    yield Line("CloudWatch, dashboards (dev and prod)", dashboards, 3, 3.00, "Amazon CloudWatch Pricing")
    # When all is well there are none of these; here each order fails, and each hour raises an alarm.
    yield Line("SQS, requests", orders, 1e6, 0.40 / 1e6, "Amazon SQS pricing")
    yield Line("SNS, mails", MONTH_MINUTES / 60, 1_000, 2 / 1e5, "Amazon SNS pricing")


def _with_indexes(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [table, *table["GlobalSecondaryIndexes"]]


def _minutes(schedule: str) -> int:
    """Read `rate(1 minute)` or `rate(5 minutes)`."""
    return int(schedule.removeprefix("rate(").split()[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
