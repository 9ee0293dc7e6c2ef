"""Invoke a function of serverless-offline, as with AWS Lambda's Invoke ("Invoke", AWS Lambda API Reference)."""

import http.client
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from local.stream_mapping import FunctionError, FunctionNotInvoked, Invoke

ANSWER_MARGIN_SECONDS = 5


def invoker(function: Mapping[str, Any], port: int) -> Invoke:
    """Return what invokes a function. It waits ANSWER_MARGIN_SECONDS longer than the function's timeout."""
    seconds = function["timeout"] + ANSWER_MARGIN_SECONDS
    return partial(invoke, port=port, function_name=function["name"], timeout_seconds=seconds)


def invoke(event: Mapping[str, Any], *, port: int, function_name: str, timeout_seconds: float) -> dict[str, Any] | None:
    """Return the function's result; FunctionError if it fails or does not answer in time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_seconds)
    try:
        try:
            connection.connect()
        except OSError as error:
            raise FunctionNotInvoked(f"Lambda's endpoint cannot be reached: {error}") from error
        connection.request("POST", f"/2015-03-31/functions/{function_name}/invocations", json.dumps(event))
        response = connection.getresponse()
        answer: dict[str, Any] | None = json.loads(response.read() or "null")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise FunctionError(f"no answer: {error or type(error).__name__}") from error
    finally:
        connection.close()
    fault = answer or {}
    if response.status == http.HTTPStatus.OK and "errorType" not in fault:
        return answer
    raise FunctionError(fault.get("errorMessage") or fault.get("Message") or f"HTTP {response.status}")
