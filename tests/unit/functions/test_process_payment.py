"""ProcessPayment, as the stream's event source mapping calls it."""

import asyncio
import gc
import json
import time
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any
from unittest.mock import AsyncMock, MagicMock
from uuid import UUID

import pytest
from botocore.exceptions import ConnectTimeoutError

from functions import process_payment
from shared import clock, settlement
from shared.order import Order, Status
from shared.order_table import OrderTable, UnreadableOrder
from shared.payment import Receipt
from simulation.aws.memory_dynamodb import Answer, refusal
from tests.builders import Context, FailingDynamoDB, FakeProvider, a_batch, a_record, an_order, an_order_of_age
from tests.unit.conftest import log_lines

TRIES = 5  # of an outcome
THROTTLED = "ThrottlingError"
UNREACHABLE = ConnectTimeoutError(endpoint_url="http://127.0.0.1")

pytestmark = pytest.mark.usefixtures("table")


def deliver(*orders: Order) -> list[str]:
    """Create orders and deliver their batch; return the sequence numbers that are reported as failed."""
    stored(*orders)
    return deliver_event(a_batch(orders))


def stored(*orders: Order) -> None:
    for order in orders:
        process_payment.orders.create(order)


def deliver_event(event: dict[str, Any]) -> list[str]:
    response = process_payment.lambda_handler(event, Context())
    return sorted((str(failure["itemIdentifier"]) for failure in response["batchItemFailures"]), key=int)


def statuses(*orders: Order) -> list[Status]:
    return [process_payment.orders.get(order.order_id).status for order in orders]


def test_an_order_is_charged_its_total_in_its_currency_and_processed(table: OrderTable, provider: FakeProvider) -> None:
    order = an_order("699.80").model_copy(update={"currency": "USD"})

    assert deliver(order) == []
    assert provider.charges == [(order.order_id, Decimal("699.80"), "USD")]
    processed = table.get(order.order_id)
    assert (processed.status, processed.payment_id) == (Status.PROCESSED, f"payment-{order.order_id}")
    assert processed.processed_at is not None


def test_a_declined_order_is_settled_as_declined(table: OrderTable, provider: FakeProvider) -> None:
    order = an_order()
    provider.declined = {order.order_id}

    assert deliver(order) == []
    declined = table.get(order.order_id)
    assert (declined.status, declined.decline_reason) == (Status.DECLINED, "insufficient funds")


def test_an_order_that_comes_late_is_looked_up_before_it_is_charged(provider: FakeProvider) -> None:
    new, kept, charged = (an_order_of_age(timedelta(minutes=minutes)) for minutes in (4.9, 5, 24.1 * 60))
    provider.receipts[charged.order_id] = Receipt("payment-1")

    assert deliver(new, kept, charged) == []
    assert provider.searches == [kept.order_id, charged.order_id]
    assert {order_id for order_id, _, _ in provider.charges} == {new.order_id, kept.order_id}
    assert statuses(new, kept, charged) == ["PROCESSED"] * 3


def test_a_payment_that_fails_is_deferred_and_fails_no_record(table: OrderTable, provider: FakeProvider) -> None:
    orders = [an_order() for _ in range(5)]
    provider.unavailable = {orders[0].order_id, orders[3].order_id}
    before = clock.now()

    assert deliver(*orders) == []
    assert statuses(*orders) == ["PENDING", "PROCESSED", "PROCESSED", "PENDING", "PROCESSED"]
    deferred = table.get(orders[0].order_id)
    assert deferred.attempts == 1
    assert deferred.due_at is not None
    assert timedelta(seconds=30) <= deferred.due_at - before < timedelta(seconds=40)


def test_one_failing_payment_of_a_thousand_costs_its_neighbours_nothing(
    dynamodb: FailingDynamoDB, provider: FakeProvider
) -> None:
    orders = [an_order() for _ in range(1000)]
    provider.unavailable = {orders[0].order_id}

    assert deliver(*orders) == []
    assert len(provider.charges) == 1000
    assert statuses(*orders) == ["PENDING"] + ["PROCESSED"] * 999
    assert [len(call) for call in dynamodb.calls] == [25] * 40


def test_a_provider_that_hangs_defers_its_order_and_keeps_nobody_waiting(
    dynamodb: FailingDynamoDB, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr(settlement, "PROVIDER_TIMEOUT_SECONDS", 0.5)
    hanging, other = an_order(), an_order()
    provider.hangs = {hanging.order_id}

    assert deliver(hanging, other) == []
    assert dynamodb.calls == [[other.order_id], [hanging.order_id]]
    assert statuses(hanging, other) == ["PENDING", "PROCESSED"]
    assert "no answer within 0.5 s" in log.getvalue()


@pytest.mark.parametrize("mock", [MagicMock, AsyncMock])
def test_an_error_in_the_adapter_defers_its_order_without_quoting_it(
    provider: FakeProvider, log: StringIO, monkeypatch: pytest.MonkeyPatch, mock: type[MagicMock]
) -> None:
    monkeypatch.setattr(provider, "charge", mock(side_effect=KeyError("the customer's card number")))
    order = an_order()

    assert deliver(order) == []
    assert statuses(order) == ["PENDING"]
    [line] = log_lines(log)
    assert (line["message"], line["provider_error"]) == ("Order deferred", "ProviderUnavailable: KeyError")
    assert "card number" not in log.getvalue()


def test_an_order_older_than_the_deadline_is_not_charged(provider: FakeProvider) -> None:
    old = an_order().model_copy(update={"created_at": clock.now() - timedelta(days=3)})

    assert deliver(old) == []
    assert (provider.charges, provider.searches) == ([], [old.order_id])
    assert statuses(old) == ["PENDING"]


def test_a_provider_that_never_suspends_still_fills_the_calls_but_the_last(
    dynamodb: FailingDynamoDB, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "_answer", AsyncMock())

    assert deliver(*(an_order() for _ in range(101))) == []
    assert sorted(len(call) for call in dynamodb.calls) == [1, 25, 25, 25, 25]


def test_a_client_that_is_bound_to_an_event_loop_serves_every_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMBDA_TASK_ROOT", "/var/task")
    monkeypatch.setattr(process_payment, "provider", LoopBoundProvider())
    # The loop that Powertools would keep for the life of the environment.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    orders = [an_order() for _ in range(2)]

    failed = [deliver(order) for order in orders]

    asyncio.set_event_loop(None)
    loop.close()
    assert failed == [[], []]
    assert statuses(*orders) == ["PROCESSED", "PROCESSED"]


class LoopBoundProvider(FakeProvider):
    """A provider whose client, opened at the first call, fails in any other event loop: so do HTTP clients' pools."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def _answer(self, order_id: UUID) -> None:
        await super()._answer(order_id)
        self._loop = self._loop or asyncio.get_running_loop()
        if self._loop is not asyncio.get_running_loop():
            raise RuntimeError("attached to a different loop")


@pytest.mark.parametrize("image", [None, {}, {"order_id": {"S": "x"}}, {"order_id": 7}, "text", []])
def test_a_record_that_is_not_an_order_fails_alone_and_is_logged(
    provider: FakeProvider, log: StringIO, image: object
) -> None:
    orders = [an_order() for _ in range(3)]
    stored(*orders)
    event = a_batch(orders)
    del event["Records"][1]["dynamodb"]["NewImage"]
    if image is not None:
        event["Records"][1]["dynamodb"]["NewImage"] = image

    assert deliver_event(event) == ["2"]
    assert statuses(*orders) == ["PROCESSED", "PENDING", "PROCESSED"]
    assert len(provider.charges) == 2
    [line] = [line for line in log_lines(log) if line["level"] == "ERROR"]
    assert (line["message"], line["sequence_number"]) == ("The record is not a valid order", "2")
    assert line["reason"]


def an_invalid_batch() -> dict[str, Any]:
    event = a_batch([an_order()])
    event["Records"][0]["dynamodb"]["NewImage"] |= {"currency": {"N": "4711"}, "customer_id": {"L": []}}
    return event


def test_the_log_names_what_is_wrong_with_a_record_but_not_its_values(dynamodb: FailingDynamoDB, log: StringIO) -> None:
    assert deliver_event(an_invalid_batch()) == ["1"]
    assert "customer_id (string_type), currency (string_type)" in log.getvalue()
    assert "4711" not in log.getvalue()
    assert dynamodb.calls == []


def test_a_batch_with_an_invalid_record_leaves_nothing_in_memory() -> None:
    gc.freeze()  # get_objects returns only what is made from here on

    assert deliver_event(an_invalid_batch()) == ["1"]
    assert deliver(an_order()) == []  # the processor keeps the errors of its last batch
    gc.collect()
    left = sum(isinstance(each, UnreadableOrder) for each in gc.get_objects())
    gc.unfreeze()
    assert left == 0


@pytest.mark.parametrize(("throttled", "failed"), [(0, []), (TRIES, ["1", "2"])])
def test_an_order_that_comes_twice_in_a_batch_is_charged_and_recorded_once(
    dynamodb: FailingDynamoDB, provider: FakeProvider, throttled: int, failed: list[str]
) -> None:
    order = an_order()
    stored(order)
    dynamodb.errors[order.order_id] = [THROTTLED] * throttled

    assert deliver_event({"Records": [a_record(order, 1), a_record(order, 2)]}) == failed
    assert len(provider.charges) == 1
    assert dynamodb.calls == [[order.order_id]] * max(throttled, 1)


def test_throttled_outcomes_are_recorded_by_a_later_try_without_charging_again(
    dynamodb: FailingDynamoDB, provider: FakeProvider
) -> None:
    orders = [an_order() for _ in range(30)]
    dynamodb.errors |= {orders[4].order_id: [THROTTLED] * (TRIES - 1), orders[27].order_id: [THROTTLED]}

    assert deliver(*orders) == []
    assert statuses(*orders) == ["PROCESSED"] * 30
    assert len(provider.charges) == 30


def test_an_outcome_that_stays_throttled_fails_its_record_alone(dynamodb: FailingDynamoDB, log: StringIO) -> None:
    orders = [an_order() for _ in range(30)]
    dynamodb.errors[orders[4].order_id] = [THROTTLED] * TRIES

    assert deliver(*orders) == ["5"]
    assert statuses(*orders) == ["PROCESSED"] * 4 + ["PENDING"] + ["PROCESSED"] * 25
    [line] = [line for line in log_lines(log) if line["level"] == "ERROR"]
    assert (line["message"], line["order_id"]) == ("Outcome not recorded", str(orders[4].order_id))
    assert line["table_error"] == "TableUnavailable: ThrottlingError"


@pytest.mark.parametrize(
    ("code", "times", "failed"), [("ThrottlingException", TRIES - 1, 0), ("AccessDeniedException", 1, 25)]
)
def test_a_call_that_dynamodb_refuses_fails_its_own_orders_alone_a_throttled_call_none(
    dynamodb: FailingDynamoDB, provider: FakeProvider, code: str, times: int, failed: int
) -> None:
    orders = [an_order() for _ in range(60)]
    dynamodb.outages = [refusal(code, "BatchExecuteStatement")] * times

    assert len(deliver(*orders)) == failed
    assert statuses(*orders).count(Status.PROCESSED) == 60 - failed
    assert len(provider.charges) == 60


def test_no_call_waits_for_a_connection_that_has_failed_before(
    dynamodb: FailingDynamoDB, provider: FakeProvider
) -> None:
    orders = [an_order() for _ in range(200)]
    dynamodb.outages = [UNREACHABLE] * 200

    assert len(deliver(*orders)) == 200
    assert len(dynamodb.calls) <= 2  # those that were under way at the same time
    assert len(provider.charges) == 200
    dynamodb.outages.clear()
    assert deliver(*orders) == []
    assert statuses(*orders) == ["PROCESSED"] * 200


def test_no_outcome_is_recorded_when_the_invocation_has_no_time_left(dynamodb: FailingDynamoDB, log: StringIO) -> None:
    response = process_payment.lambda_handler(a_batch([an_order()]), Context(remaining_milliseconds=9_000))

    assert response == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert dynamodb.calls == []
    assert "OutOfTime" in log.getvalue()


def test_an_outcome_that_another_attempt_recorded_first_is_reported_as_it_is_stored(
    provider: FakeProvider, log: StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    order, other = an_order(), an_order()
    stored(order.declined("insufficient funds"))

    assert deliver(order, other) == []
    assert len(provider.charges) == 2
    [line, _] = log_lines(log)
    assert (line["message"], line["status"]) == ("Another attempt was recorded before", "DECLINED")
    metrics = json.loads(capsys.readouterr().out)
    assert len(metrics["TimeToSettle"]) == 1
    assert metrics["PaymentsDeclined"] == [0.0]


def test_an_outcome_that_another_attempt_recorded_alike_in_the_same_millisecond_is_reported_once(
    dynamodb: FailingDynamoDB, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, now = an_order(), clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)

    assert deliver(order) == deliver(order) == []
    assert len(dynamodb.calls) == 2
    assert [line["message"] for line in log_lines(log)] == ["Order settled", "Another attempt was recorded before"]


def test_an_outcome_whose_first_answer_got_lost_counts_as_ours(
    dynamodb: FailingDynamoDB, log: StringIO, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = dynamodb.batch_execute_statement

    def answer_lost_once(**statements: Any) -> Answer:  # noqa: ANN401  # as boto3's client has it
        execute(**statements)
        return execute(**statements)

    monkeypatch.setattr(dynamodb, "batch_execute_statement", answer_lost_once)

    assert deliver(an_order()) == []
    assert log_lines(log)[0]["message"] == "Order settled"
    assert len(json.loads(capsys.readouterr().out)["TimeToSettle"]) == 1


def test_a_redelivery_after_a_deferral_may_settle_the_order(table: OrderTable, provider: FakeProvider) -> None:
    order = an_order()
    provider.unavailable = {order.order_id}
    deliver(order)
    deferred = table.get(order.order_id)

    assert deliver(order) == []
    assert table.get(order.order_id) == deferred  # the second failure is not counted as another attempt
    provider.unavailable.clear()
    assert deliver(order) == []
    assert statuses(order) == ["PROCESSED"]


def test_the_metrics_count_what_became_of_the_payments(
    provider: FakeProvider, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = [an_order() for _ in range(6)]
    provider.declined = {orders[0].order_id}
    provider.unavailable = {orders[1].order_id, orders[2].order_id}

    deliver(*orders)

    metrics = json.loads(capsys.readouterr().out)
    assert metrics["PaymentsDeclined"] == [1.0]
    assert metrics["PaymentsDeferred"] == [1.0, 1.0]
    assert len(metrics["TimeToSettle"]) == 4
    assert all(0 <= seconds < 60 for seconds in metrics["TimeToSettle"])


def test_each_order_has_its_line_in_the_log_without_its_customer(provider: FakeProvider, log: StringIO) -> None:
    settled, deferred = an_order(sampled=False), an_order(sampled=False)
    provider.unavailable = {deferred.order_id}

    deliver(settled, deferred)

    lines = {line["order_id"]: line for line in log_lines(log)}
    told = {order_id: (line["message"], line["status"], line["attempts"]) for order_id, line in lines.items()}
    assert told == {
        str(settled.order_id): ("Order settled", "PROCESSED", 0),
        str(deferred.order_id): ("Order deferred", "PENDING", 1),
    }
    assert {line["trace_id"] for line in lines.values()} == {settled.trace_id, deferred.trace_id}
    assert {order_id for order_id, line in lines.items() if "due_at" in line} == {str(deferred.order_id)}
    assert lines[str(deferred.order_id)]["provider_error"] == "ProviderUnavailable: no answer"
    for line in lines.values():
        names = ("queued_at_ms", "received_at_ms", "called_at_ms", "answered_at_ms", "recorded_at_ms")
        times = [line[name] for name in names]
        assert times == sorted(times)
        assert times[-1] == pytest.approx(time.time() * 1000, abs=10_000)
    assert settled.customer_id not in log.getvalue()
    assert "taskName" not in log.getvalue()
