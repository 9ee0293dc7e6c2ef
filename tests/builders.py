"""Builders of what the tests need: orders, requests, stream records, and the parts that stand in for AWS."""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from local.stream_mapping.records import to_lambda_record
from shared.order import STREAM_SECONDS, NewOrder, Order
from shared.order_table import to_item
from shared.payment import Declined, ProviderUnavailable, Receipt
from simulation.aws.memory_dynamodb import Answer, MemoryDynamoDB
from simulation.aws.stream import STREAM_ARN, a_stream_record
from simulation.aws.update_statement import UpdateStatement
from tests.xray_documents import validated
from tools.repository import NEW_ORDER

# The customer's id is in no hexadecimal text, so that a test can look for it in what is logged.
VALID = NEW_ORDER
# What a developer's shell may have, and what must change nothing.
HOSTILE_SHELL = {
    "AWS_PROFILE": "gone",
    "AWS_RETRY_MODE": "",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9",
    "LOG_LEVEL": "none",
    "POWERTOOLS_LOG_LEVEL": "none",
    "PYTHONSAFEPATH": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONIOENCODING": "ascii",
    "LC_ALL": "pt_BR.ISO-8859-1",
    "NODE_ENV": "production",
    "JAVA_TOOL_OPTIONS": "-Xmx1m",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
}


@dataclass
class Context:
    """What Lambda tells a function about its invocation."""

    function_name: str = "order-processor-test"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:order-processor-test"
    aws_request_id: str = "52fdfc07-2182-454f-963f-5f0f9a621d72"
    remaining_milliseconds: int = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_milliseconds


def an_item(**changes: object) -> dict[str, Any]:
    return {**VALID["items"][0], **changes}


def an_order(total: str = "699.80", *, sampled: bool | None = None) -> Order:
    """Place an order of one article at a price; in a trace of its own, sampled or not, if that is said."""
    new_order = NewOrder.model_validate({**VALID, "items": [an_item(quantity=1, unit_price=total)]})
    return Order.place(new_order, trace_header=None if sampled is None else a_trace_header(sampled=sampled))


def an_order_of_age(age: timedelta, *, sampled: bool | None = None, **changes: object) -> Order:
    """Place an order that long ago. Unless `due_at` is given, no attempt to pay for it was recorded since."""
    order = an_order(sampled=sampled)
    times = {"created_at": order.created_at - age, "due_at": order.created_at + timedelta(seconds=STREAM_SECONDS) - age}
    return order.model_copy(update=times | changes)


def a_trace_header(*, sampled: bool) -> str:
    trace_id = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={trace_id};Parent={secrets.token_hex(8)};Sampled={int(sampled)}"


def a_request(method: str, path: str, body: object = None, **changes: object) -> dict[str, Any]:
    """A proxy event of API Gateway. A body that is not text is sent as JSON."""
    text = body if body is None or isinstance(body, str) else json.dumps(body)
    identity = {"apiKeyId": "caller-1", "sourceIp": "127.0.0.1"}
    context = {"requestId": "r-1", "path": f"/dev{path}", "identity": identity}
    request = {"httpMethod": method, "path": path, "multiValueHeaders": {}, "body": text, "requestContext": context}
    return {**request, **changes}


def a_record(order: Order, sequence_number: int = 1) -> dict[str, Any]:
    """The record that the stream delivers when an order is added."""
    return to_lambda_record(a_stream_record(to_item(order), str(sequence_number), order.created_at), STREAM_ARN)


def a_batch(orders: Sequence[Order]) -> dict[str, Any]:
    return {"Records": [a_record(order, number) for number, order in enumerate(orders, 1)]}


@dataclass
class FakeProvider:
    """A payment provider that answers at the event loop's next turn, and remembers what it was asked."""

    declined: set[UUID] = field(default_factory=set)
    unavailable: set[UUID] = field(default_factory=set)
    hangs: set[UUID] = field(default_factory=set)
    # What happens while it is asked.
    when_asked: Callable[[UUID], object] = lambda _: None
    # What an earlier attempt came to, for `find`.
    receipts: dict[UUID, Receipt | Declined] = field(default_factory=dict)
    charges: list[tuple[UUID, Decimal, str]] = field(default_factory=list)
    searches: list[UUID] = field(default_factory=list)

    async def charge(self, *, order_id: UUID, amount: Decimal, currency: str) -> Receipt:
        self.charges.append((order_id, amount, currency))
        await self._answer(order_id)
        if order_id in self.declined:
            raise Declined("insufficient funds")
        return Receipt(payment_id=f"payment-{order_id}")

    async def find(self, order_id: UUID) -> Receipt | None:
        self.searches.append(order_id)
        await self._answer(order_id)
        found = self.receipts.get(order_id)
        if isinstance(found, Declined):
            raise found
        return found

    async def _answer(self, order_id: UUID) -> None:
        self.when_asked(order_id)
        await asyncio.sleep(3600 if order_id in self.hangs else 0)
        if order_id in self.unavailable:
            raise ProviderUnavailable("no answer")


class FailingDynamoDB(MemoryDynamoDB):
    """DynamoDB in memory with the orders table: it remembers the calls that write outcomes, and fails as told."""

    def __init__(self) -> None:
        super().__init__("orders")
        # The orders of each call.
        self.calls: list[list[UUID]] = []
        # What each further call raises, and with which error each further statement of an order is answered.
        self.outages: list[Exception] = []
        self.errors: defaultdict[UUID, list[str]] = defaultdict(list)

    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> Answer:  # noqa: N803  # AWS's name
        self.calls.append([_order_of(**each) for each in Statements])
        if self.outages:
            raise self.outages.pop()
        return super().batch_execute_statement(Statements=Statements)

    def _execute(self, **statement: Any) -> Answer:  # noqa: ANN401  # as boto3's client has it
        if errors := self.errors[_order_of(**statement)]:
            return {"Error": {"Code": errors.pop()}}
        return super()._execute(**statement)


def _order_of(Statement: str, Parameters: Sequence[Any], **_: object) -> UUID:  # noqa: N803  # AWS's names
    return UUID(UpdateStatement.parse(Statement).key(Parameters))


@dataclass
class XRay:
    """An X-Ray that checks what it takes, or fails as told."""

    calls: list[list[dict[str, Any]]] = field(default_factory=list)
    outage: Exception | None = None
    refuses: bool = False
    # What happens while it is called.
    when_called: Callable[[], object] = lambda: None

    def put_trace_segments(self, *, TraceSegmentDocuments: list[str]) -> dict[str, Any]:  # noqa: N803  # AWS's name
        self.when_called()
        documents = [validated(document) for document in TraceSegmentDocuments]
        self.calls.append(documents)
        if self.outage:
            raise self.outage
        refused = documents if self.refuses else []
        return {"UnprocessedTraceSegments": [{"Id": document["id"], "Message": "refused"} for document in refused]}

    @property
    def segments(self) -> list[dict[str, Any]]:
        return [document for call in self.calls for document in call]
