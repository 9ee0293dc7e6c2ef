"""DynamoDB in memory, on which the unit tests and the simulation run, does what DynamoDB Local does.

tests/unit/shared/test_order_table.py tests the orders table in memory; its tests run here on DynamoDB Local.
"""

from typing import TYPE_CHECKING

import pytest

from local.stream_mapping import MappingSettings
from local.stream_mapping.records import Record
from shared.order_table import OrderTable
from tests.builders import a_record, an_order
from tests.integration.conftest import stream_mapping
from tests.unit.shared.test_order_table import *  # noqa: F403
from tests.waiting import eventually

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def table(orders: OrderTable) -> OrderTable:
    return orders


def test_a_record_of_the_stream_is_as_the_tests_build_it(client: "DynamoDBClient", table: OrderTable) -> None:
    orders = [table.create(an_order(sampled=True)) for _ in range(3)]
    records: list[Record] = []
    with stream_mapping(client, table.name, MappingSettings(), lambda event, _: records.extend(event["Records"])):
        eventually(lambda: len(records) == len(orders))

    for record, order in zip(records, orders, strict=True):
        built = a_record(order)
        assert record.keys() == built.keys()
        assert record["dynamodb"].keys() == built["dynamodb"].keys()
        for name in ("Keys", "NewImage"):
            assert record["dynamodb"][name] == built["dynamodb"][name]
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    assert numbers == sorted(numbers)
    assert len({len(number) for number in numbers}) == 1
