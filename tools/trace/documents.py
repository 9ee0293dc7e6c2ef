"""The documents of a trace, as X-Ray has them."""

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_xray import XRayClient

POLL_SECONDS = 0.5


def read_documents(client: "XRayClient", trace_id: str) -> list[dict[str, Any]]:
    """Read the segments of a trace that X-Ray has so far."""
    pages = client.get_paginator("batch_get_traces").paginate(TraceIds=[trace_id])
    segments = [segment for page in pages for trace in page["Traces"] for segment in trace["Segments"]]
    return [json.loads(segment["Document"]) for segment in segments]
