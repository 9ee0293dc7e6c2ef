"""Where `npm run trace` and `npm run smoke` read: botocore's Stubber checks the form of each call and each answer."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.stub import ANY, Stubber

from tools.command import CommandFailed
from tools.trace import logs as logs_module
from tools.trace import xray as xray_module
from tools.trace.logs import CloudWatchLogs
from tools.trace.xray import Traces

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

ORDER_ID = "56c13c9e-7f8e-491c-aad2-7141148e58e3"
TRACE_ID = "1-5759e988-bd862e3fe1be46a994272793"
TRACE_BEGAN_AT = datetime.fromtimestamp(0x5759E988, UTC)
GROUPS = [f"/aws/lambda/order-processor-dev-{name}" for name in ("createOrder", "processPayment", "recoverOrders")]
NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (logs_module, xray_module):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)


@pytest.fixture
def xray() -> Iterator[Stubber]:
    with Stubber(boto3.client("xray")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def cloudwatch() -> Iterator[Stubber]:
    with Stubber(boto3.client("logs")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def logs(cloudwatch: Stubber) -> CloudWatchLogs:
    return CloudWatchLogs(cloudwatch.client, "order-processor-dev", days=14)


def account(xray: Stubber, destination: str) -> Traces:
    """What the commands read with. The account is asked once."""
    xray.add_response("get_trace_segment_destination", {"Destination": destination, "Status": "ACTIVE"}, {})
    return Traces(cast("XRayClient", xray.client))


def retrieved(status: str, *ids: str, **more: str) -> dict[str, Any]:
    spans = [{"Id": id_, "Document": json.dumps({"id": id_})} for id_ in ids]
    return {"RetrievalStatus": status, "TraceFormat": "XRAY", "Traces": [{"Id": TRACE_ID, "Spans": spans}], **more}


def test_with_transaction_search_a_trace_is_retrieved(xray: Stubber) -> None:
    traces = account(xray, "CloudWatchLogs")
    window = {"StartTime": TRACE_BEGAN_AT - timedelta(minutes=1), "EndTime": ANY}
    xray.add_response("start_trace_retrieval", {"RetrievalToken": "token"}, {"TraceIds": [TRACE_ID], **window})
    request = {"RetrievalToken": "token", "TraceFormat": "XRAY"}
    xray.add_response("list_retrieved_traces", retrieved("SCHEDULED"), request)
    xray.add_response("list_retrieved_traces", retrieved("RUNNING"), request)
    xray.add_response("list_retrieved_traces", retrieved("COMPLETE", "a", NextToken="page 2"), request)
    xray.add_response("list_retrieved_traces", retrieved("COMPLETE", "b"), {**request, "NextToken": "page 2"})

    assert (traces.read(TRACE_ID), traces.source) == ([{"id": "a"}, {"id": "b"}], "Transaction Search")


def test_a_missing_permission_is_named(xray: Stubber, cloudwatch: Stubber, logs: CloudWatchLogs) -> None:
    xray.add_client_error("get_trace_segment_destination", "AccessDeniedException")
    cloudwatch.add_client_error("filter_log_events", "AccessDeniedException")

    with pytest.raises(CommandFailed, match="credentials lack the permission xray:GetTraceSegmentDestination"):
        Traces(cast("XRayClient", xray.client)).read(TRACE_ID)
    with pytest.raises(CommandFailed, match="credentials lack the permission logs:FilterLogEvents"):
        logs.read(ORDER_ID, NOW, NOW)


def test_what_spans_more_than_a_day_is_queried_once_and_the_price_is_told(
    cloudwatch: Stubber, logs: CloudWatchLogs
) -> None:
    since = NOW - timedelta(days=3)
    query = f'fields @message | filter @message like "{ORDER_ID}" | sort @timestamp | limit 10000'
    window = {"startTime": ms(since) // 1000, "endTime": ms(NOW) // 1000}
    start = {"logGroupNames": GROUPS, "queryString": query, **window}
    cloudwatch.add_response("start_query", {"queryId": "q"}, start)
    cloudwatch.add_response("get_query_results", {"status": "Running"}, {"queryId": "q"})
    row = [{"field": "@message", "value": '{"message": "Order settled"}'}, {"field": "@ptr", "value": "p"}]
    complete = {"status": "Complete", "results": [row], "statistics": {"bytesScanned": 2.5e9}}
    cloudwatch.add_response("get_query_results", complete, {"queryId": "q"})

    first, second = logs.read(ORDER_ID, since, NOW), logs.read(ORDER_ID, since, NOW)

    assert first == second == [{"message": "Order settled"}]
    assert logs.notes == ["Logs Insights scanned 2.50 GB, which cost 0.013 USD."]


def test_an_order_that_is_older_than_its_logs_is_told_and_not_looked_for(logs: CloudWatchLogs) -> None:
    assert logs.read(ORDER_ID, NOW - timedelta(days=30), NOW - timedelta(days=29)) == []
    assert logs.notes == ["The logs are kept for 14 days, and this order is older."]


def ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
