"""Reads traces where an account keeps them: X-Ray, or with CloudWatch Transaction Search a log group of spans."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tools.command import CommandFailed, permissions

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient
    from mypy_boto3_xray.type_defs import ListRetrievedTracesResultTypeDef

POLL_SECONDS = 0.5
RETRIEVAL_SECONDS = 60


class Traces:
    """The traces of an account, which is asked once where it keeps them; or of the local run, which has no choice."""

    def __init__(self, client: "XRayClient", *, is_local: bool = False) -> None:
        self._client = client
        self._are_searched = False if is_local else None
        self.source = "X-Ray"

    def read(self, trace_id: str) -> list[dict[str, Any]]:
        """Read the documents of a trace that are there by now.

        Raises
        ------
        CommandFailed
            The caller lacks a permission, or the retrieval failed.
        """
        with permissions("xray"):
            if self._are_searched is None:
                self._are_searched = self._client.get_trace_segment_destination()["Destination"] == "CloudWatchLogs"
                self.source = "Transaction Search" if self._are_searched else self.source
            documents = self._retrieved(trace_id) if self._are_searched else self._stored(trace_id)
        return [json.loads(document) for document in documents]

    def _stored(self, trace_id: str) -> list[str]:
        """Read from X-Ray itself, which has nothing if the account uses Transaction Search."""
        pages = self._client.get_paginator("batch_get_traces").paginate(TraceIds=[trace_id])
        return [segment["Document"] for page in pages for trace in page["Traces"] for segment in trace["Segments"]]

    def _retrieved(self, trace_id: str) -> list[str]:
        """See https://docs.aws.amazon.com/xray/latest/api/API_StartTraceRetrieval.html."""
        began_at = datetime.fromtimestamp(int(trace_id[2:10], 16), UTC)  # a trace's id contains the time
        token = self._client.start_trace_retrieval(
            TraceIds=[trace_id], StartTime=began_at - timedelta(minutes=1), EndTime=datetime.now(UTC)
        )["RetrievalToken"]
        deadline = time.monotonic() + RETRIEVAL_SECONDS
        page = self._page(token)
        while page["RetrievalStatus"] in {"SCHEDULED", "RUNNING"} and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            page = self._page(token)
        if page["RetrievalStatus"] != "COMPLETE":
            raise CommandFailed(f"Transaction Search cannot retrieve the trace: {page['RetrievalStatus']}.")
        traces = list(page["Traces"])
        while "NextToken" in page:
            page = self._page(token, NextToken=page["NextToken"])
            traces += page["Traces"]
        return [span["Document"] for trace in traces for span in trace["Spans"]]

    def _page(self, token: str, **next_page: str) -> "ListRetrievedTracesResultTypeDef":
        return self._client.list_retrieved_traces(RetrievalToken=token, TraceFormat="XRAY", **next_page)
