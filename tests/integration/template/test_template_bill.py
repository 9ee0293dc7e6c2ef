"""`npm run bill`: a month of stage dev is within AWS's always-free limits, and within those of a new account."""

import pytest

from tests.integration.template.compiled import Compiled
from tools.bill import REQUESTS_OF_AN_ORDER, Line, bill
from tools.repository import ROOT

WITHOUT_A_FREE_PART = {"API Gateway, requests", "S3, GB of packages"}


def charged(lines: list[Line]) -> set[str]:
    return {line.name for line in lines if line.dollars}


@pytest.mark.parametrize(("orders", "most_dollars"), [(0, 0.005), (1_000, 0.02)])
def test_a_month_of_dev_costs_nothing_but_requests_and_packages(
    stages: dict[str, Compiled], orders: int, most_dollars: float
) -> None:
    lines = bill(stages["dev"].folder, orders, orders * REQUESTS_OF_AN_ORDER)

    assert charged(lines) <= WITHOUT_A_FREE_PART
    assert sum(line.dollars for line in lines) < most_dollars


def test_a_month_of_dev_with_the_whole_quota_of_its_key_is_within_the_free_limits(stages: dict[str, Compiled]) -> None:
    quota = stages["dev"].only("ApiGateway::UsagePlan")["Quota"]
    assert quota["Period"] == "DAY"
    requests = quota["Limit"] * 31

    for orders in (requests, requests // REQUESTS_OF_AN_ORDER):
        assert charged(bill(stages["dev"].folder, orders, requests)) <= WITHOUT_A_FREE_PART


def test_the_document_shows_the_bill(stages: dict[str, Compiled]) -> None:
    document = (ROOT / "docs" / "deploy.md").read_text()
    lines = bill(stages["dev"].folder, 1_000, 1_000 * REQUESTS_OF_AN_ORDER)

    # The size of the package differs a little between machines.
    assert [line for line in map(str, lines) if line not in document and not line.startswith("S3")] == []


def test_the_requests_of_a_key_fit_what_the_table_can_write(stages: dict[str, Compiled]) -> None:
    throttle, table = stages["dev"].only("ApiGateway::UsagePlan")["Throttle"], stages["dev"].only("DynamoDB::Table")

    units_a_second = 2 * throttle["RateLimit"]  # an order is written when it is created and when it is settled
    for each in (table, *table["GlobalSecondaryIndexes"]):
        assert units_a_second <= each["ProvisionedThroughput"]["WriteCapacityUnits"]


@pytest.mark.parametrize(("request_seconds", "needed"), [(0.02, 10), (1.0, 16)], ids=["warm", "all start cold"])
def test_dev_fits_a_new_accounts_ten_functions_at_once_if_they_are_warm(
    stages: dict[str, Compiled], request_seconds: float, needed: int
) -> None:
    bucket = stages["dev"].only("ApiGateway::UsagePlan")["Throttle"]
    mapping = stages["dev"].only("Lambda::EventSourceMapping")
    shards, recoveries = 1, 2  # a table with so little capacity has one partition; a run can overlap the next
    requests = bucket["BurstLimit"] + int(bucket["RateLimit"] * request_seconds)

    assert shards * mapping["ParallelizationFactor"] + recoveries + requests == needed
