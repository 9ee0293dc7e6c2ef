"""What a month of stage dev costs, computed from its template and AWS's always-free limits."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from shared.observability import Metric
from tests.integration.template.compiled import Compiled

MONTH_MINUTES = 31 * 24 * 60
GIGABYTE = 1e9

# Of an order that is created, asked for three times and paid for in a batch of its own. The seconds and bytes are upper
# bounds of what `npm run bench` measures, cold starts included.
GETS_OF_AN_ORDER = 3
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
    """A line of the bill: what a month uses, how much of it is always free, and the price of the rest (us-east-1)."""

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


@pytest.mark.parametrize("orders", [0, 1_000])
def test_a_month_of_dev_costs_nothing_but_requests_and_packages(
    stages: dict[str, Compiled], orders: int, capsys: pytest.CaptureFixture[str]
) -> None:
    requests = orders * (1 + GETS_OF_AN_ORDER)
    free = list(always_free(stages, orders, requests))
    # API Gateway and S3 have no always-free part.
    paid = [
        Line("API Gateway, requests", requests, 0, 3.50 / 1e6, "Amazon API Gateway Pricing"),
        Line("S3, GB of packages", 2 * stages["dev"].package.stat().st_size / GIGABYTE, 0, 0.023, "Amazon S3 pricing"),
    ]

    heading = f"A month of dev with {orders:,} orders".ljust(44) + f"{'used':>12}{'free':>12}{'USD':>8}"
    with capsys.disabled():
        sys.stdout.write("\n".join(["", "", heading, *map(str, [*free, *paid]), ""]))

    assert {line.name: line.dollars for line in free} == {line.name: 0 for line in free}
    assert sum(line.dollars for line in paid) < (0.02 if orders else 0.005)


def test_a_month_of_dev_with_the_whole_quota_of_its_key_is_within_the_free_limits(stages: dict[str, Compiled]) -> None:
    (plan,) = stages["dev"].properties("AWS::ApiGateway::UsagePlan").values()
    assert plan["Quota"]["Period"] == "DAY"
    requests = plan["Quota"]["Limit"] * 31

    for orders in (requests, requests // (1 + GETS_OF_AN_ORDER)):
        lines = list(always_free(stages, orders, requests))
        assert {line.name: line.dollars for line in lines} == {line.name: 0 for line in lines}


def test_every_type_of_resource_is_on_the_bill_or_free(stages: dict[str, Compiled]) -> None:
    types = {resource["Type"] for resource in stages["dev"].section("Resources").values()}

    assert types == FREE_TYPES | COUNTED_TYPES


def test_the_requests_of_a_key_fit_what_the_table_can_write(stages: dict[str, Compiled]) -> None:
    (plan,) = stages["dev"].properties("AWS::ApiGateway::UsagePlan").values()
    (table,) = stages["dev"].properties("AWS::DynamoDB::Table").values()

    units_a_second = 2 * plan["Throttle"]["RateLimit"]  # an order is written when it is created and when it is settled
    for each in (table, *table["GlobalSecondaryIndexes"]):
        assert units_a_second <= each["ProvisionedThroughput"]["WriteCapacityUnits"]


@pytest.mark.parametrize(("request_seconds", "needed"), [(0.02, 10), (1.0, 16)], ids=["warm", "all start cold"])
def test_dev_fits_a_new_accounts_ten_functions_at_once_if_they_are_warm(
    stages: dict[str, Compiled], request_seconds: float, needed: int
) -> None:
    (plan,) = stages["dev"].properties("AWS::ApiGateway::UsagePlan").values()
    (mapping,) = stages["dev"].properties("AWS::Lambda::EventSourceMapping").values()
    shards, recoveries = 1, 2  # a table with so little capacity has one partition; a run can overlap the next
    bucket = plan["Throttle"]
    requests = bucket["BurstLimit"] + int(bucket["RateLimit"] * request_seconds)

    assert shards * mapping["ParallelizationFactor"] + recoveries + requests == needed


def always_free(stages: dict[str, Compiled], orders: int, requests: int) -> Iterator[Line]:
    """The lines with an always-free part. Those an account has once are counted for both stages."""
    dev = stages["dev"]
    yield Line(
        "DynamoDB, write units", capacity(dev, "WriteCapacityUnits"), 25, 0.47, "Pricing for Provisioned Capacity"
    )
    yield Line("DynamoDB, read units", capacity(dev, "ReadCapacityUnits"), 25, 0.09, "Pricing for Provisioned Capacity")
    yield Line("DynamoDB, GB stored", orders * ITEM_BYTES / GIGABYTE, 25, 0.25, "Pricing for Provisioned Capacity")
    yield Line("DynamoDB, tables with backups", backed_up(dev), 0, 0.20, "Pricing for Provisioned Capacity")

    calls = invocations(dev, orders, requests)
    functions = dev.properties("AWS::Lambda::Function")
    gigabyte_seconds = sum(
        count * SECONDS.get(name, SECONDS_OF_ANOTHER_FUNCTION) * functions[name]["MemorySize"] / 1024
        for name, count in calls.items()
    )
    # All orders are traced in dev, and as an upper bound all other requests and all batches too.
    traced = sum(count for name, count in calls.items() if functions[name]["TracingConfig"]["Mode"] == "Active")
    yield Line("Lambda, requests", sum(calls.values()), 1e6, 0.20 / 1e6, "AWS Lambda Pricing")
    yield Line("Lambda, GB-s", gigabyte_seconds, 400_000, 0.0000133334, "AWS Lambda Pricing")
    yield Line("X-Ray, traces", traced, 100_000, 5 / 1e6, "AWS X-Ray pricing")
    logged = sum(calls.values()) * LOG_BYTES_OF_AN_INVOCATION / GIGABYTE
    yield Line("CloudWatch, GB of logs", logged, 5, 0.50, "Amazon CloudWatch Pricing")

    both = stages.values()
    alarms = sum(len(stage.resources("AWS::CloudWatch::Alarm")) for stage in both)
    dashboards = sum(len(stage.resources("AWS::CloudWatch::Dashboard")) for stage in both)
    yield Line("CloudWatch, alarms (dev and prod)", alarms, 10, 0.10, "Amazon CloudWatch Pricing")
    yield Line("CloudWatch, metrics (dev and prod)", len(stages) * len(Metric), 10, 0.30, "Amazon CloudWatch Pricing")
    yield Line("CloudWatch, dashboards (dev and prod)", dashboards, 3, 3.00, "Amazon CloudWatch Pricing")
    # When all is well there are none of these; here each order fails, and each hour raises an alarm.
    yield Line("SQS, requests", orders, 1e6, 0.40 / 1e6, "Amazon SQS pricing")
    yield Line("SNS, mails", MONTH_MINUTES / 60, 1_000, 2 / 1e5, "Amazon SNS pricing")


def capacity(stage: Compiled, units: str) -> int:
    tables = stage.properties("AWS::DynamoDB::Table").values()
    return sum(
        each["ProvisionedThroughput"][units] for table in tables for each in (table, *table["GlobalSecondaryIndexes"])
    )


def backed_up(stage: Compiled) -> int:
    tables = stage.properties("AWS::DynamoDB::Table").values()
    return sum(table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] for table in tables)


def invocations(stage: Compiled, orders: int, requests: int) -> dict[str, int]:
    """How often each function is called: by requests, by the stream, and by its schedule."""
    calls = {
        "CreateOrderLambdaFunction": orders,
        "GetOrderLambdaFunction": requests - orders,
        "ProcessPaymentLambdaFunction": orders,
    }
    for rule in stage.properties("AWS::Events::Rule").values():
        function = rule["Targets"][0]["Arn"]["Fn::GetAtt"][0]
        calls[function] = calls.get(function, 0) + MONTH_MINUTES // minutes_between(rule)
    return calls


def minutes_between(rule: dict[str, Any]) -> int:
    """Read `rate(1 minute)` or `rate(5 minutes)`."""
    number, unit = rule["ScheduleExpression"].removeprefix("rate(").removesuffix(")").split()
    assert unit.startswith("minute")
    return int(number)
