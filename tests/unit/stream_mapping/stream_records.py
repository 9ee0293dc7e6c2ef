"""Records of a stream, and what a function reports of them, by their numbers."""

from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from local.stream_mapping.records import Record, sequence_number, to_lambda_record
from simulation.aws.stream import STREAM_ARN, a_stream_record

BIRTH = 1_767_225_600  # 2026-01-01T00:00:00Z


def stream_record(number: int, key: str = "k") -> dict[str, Any]:
    """A record as boto3 returns it; record `number` was made `number` seconds after BIRTH."""
    item = {"order_id": {"S": key}, "status": {"S": "PENDING"}, "customer_id": {"S": "secret-customer"}}
    return a_stream_record(item, f"{number:021d}", datetime.fromtimestamp(BIRTH + number, UTC))


def lambda_records(*numbers: int) -> list[Record]:
    """Records as the function gets them."""
    return [to_lambda_record(stream_record(number), STREAM_ARN) for number in numbers]


def numbers_of(records: list[Record]) -> list[int]:
    """The numbers that the records were made with."""
    return [int(sequence_number(record)) for record in records]


def report(*numbers: int) -> dict[str, Any]:
    """What a function returns for records that failed."""
    return {"batchItemFailures": [{"itemIdentifier": f"{number:021d}"} for number in numbers]}


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": code}}, "GetRecords")
