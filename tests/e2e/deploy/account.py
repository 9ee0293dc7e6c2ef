"""The X-Ray of an AWS account: what commands ask it, answered from moto's X-Ray, which has no Transaction Search."""

import threading
from typing import Any, Self

from flask import Flask, request
from werkzeug.serving import make_server

from local.ports import free_port
from local.xray import LocalXRay
from tools.local_run import xray_client


class AccountXRay:
    """Answers as X-Ray does in an account. What it `has` may change at any time.

    With it, BatchGetTraces finds nothing (https://docs.aws.amazon.com/xray/latest/api/API_BatchGetTraces.html), and a
    retrieval takes a moment.
    """

    def __init__(self, xray: LocalXRay) -> None:
        self.has_traces, self.has_transaction_search = True, False
        self._xray = xray_client(xray.endpoint_url)
        self._retrievals: list[list[str]] = []
        self._is_running = False
        port = free_port()
        self.endpoint_url = f"http://127.0.0.1:{port}"
        application = Flask(__name__)
        application.post("/GetTraceSegmentDestination")(self._destination)
        application.post("/Traces")(self._batch_get)
        application.post("/StartTraceRetrieval")(self._start)
        application.post("/ListRetrievedTraces")(self._list)
        self._server = make_server("127.0.0.1", port, application, threaded=True)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _destination(self) -> dict[str, Any]:
        return {"Destination": "CloudWatchLogs" if self.has_transaction_search else "XRay", "Status": "ACTIVE"}

    def _batch_get(self) -> dict[str, Any]:
        found = [] if self.has_transaction_search else self._traces(request.get_json(force=True)["TraceIds"])
        return {"Traces": found, "UnprocessedTraceIds": []}

    def _start(self) -> dict[str, Any]:
        asked = request.get_json(force=True)
        assert asked["StartTime"] < asked["EndTime"], asked
        self._retrievals.append(asked["TraceIds"])
        self._is_running = True
        return {"RetrievalToken": str(len(self._retrievals) - 1)}

    def _list(self) -> dict[str, Any]:
        asked = request.get_json(force=True)
        if self._is_running:
            self._is_running = False
            return {"RetrievalStatus": "RUNNING", "TraceFormat": asked["TraceFormat"], "Traces": []}
        traces = [
            {"Id": trace["Id"], "Spans": trace["Segments"]}
            for trace in self._traces(self._retrievals[int(asked["RetrievalToken"])])
        ]
        return {"RetrievalStatus": "COMPLETE", "TraceFormat": asked["TraceFormat"], "Traces": traces}

    def _traces(self, trace_ids: list[str]) -> list[Any]:
        return list(self._xray.batch_get_traces(TraceIds=trace_ids)["Traces"]) if self.has_traces else []
