"""Invoke a function of serverless-offline by Lambda's API.

See https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html.
"""

import http.client
import json
from collections.abc import Mapping
from typing import Any

from local.stream_mapping import FunctionError, FunctionNotInvoked, Invoke

ANSWER_MARGIN_SECONDS = 5


def invoker(function: Mapping[str, Any], port: int) -> Invoke:
    """Return what invokes a function. FunctionError: it failed, or did not answer within its timeout and a margin."""

    def invoke(event: dict[str, Any]) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=function["timeout"] + ANSWER_MARGIN_SECONDS)
        try:
            try:
                connection.connect()
            except OSError as error:
                raise FunctionNotInvoked(f"Lambda's endpoint cannot be reached: {error}") from error
            path = f"/2015-03-31/functions/{function['name']}/invocations"
            connection.request("POST", path, json.dumps(event))
            response = connection.getresponse()
            answer: dict[str, Any] | None = json.loads(response.read() or "null")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FunctionError(f"no answer: {error or type(error).__name__}") from error
        finally:
            connection.close()
        error_body = answer or {}
        if response.status == http.HTTPStatus.OK and "errorType" not in error_body:
            return answer
        raise FunctionError(error_body.get("errorMessage") or error_body.get("Message") or f"HTTP {response.status}")

    return invoke
