"""API Gateway's API keys: the local run asks for them if it is told to (`npm start -- --api-key KEY`)."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

HEADER = "gatewayresponse.header."


def ask_for_keys(service: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Let the private functions of serverless.yml ask for one of the keys."""
    forbidden = service["resources"]["Resources"]["GatewayResponseINVALIDAPIKEY"]["Properties"]
    for function in service["functions"].values():
        if any(event.get("http", {}).get("private") for event in function["events"]):
            function |= {"api_keys": keys, "forbidden": forbidden}  # it changes the function itself


def refusal(event: Mapping[str, Any], function: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return API Gateway's response to a request without a valid key. The function gets the id of a valid key.

    See https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html
    """
    if "api_keys" not in function or "requestContext" not in event:
        return None
    key = header(event, "x-api-key")
    if key and key in function["api_keys"]:
        event["requestContext"]["identity"]["apiKeyId"] = hashlib.sha256(key.encode()).hexdigest()[:10]
        return None
    forbidden = function["forbidden"]
    return {
        "statusCode": int(forbidden["StatusCode"]),
        "headers": {
            name.removeprefix(HEADER): value.strip("'") for name, value in forbidden["ResponseParameters"].items()
        },
        "body": forbidden["ResponseTemplates"]["application/json"],
    }


def header(event: Any, name: str) -> str:  # noqa: ANN401  # whatever the function was sent
    """Return a header of a request, whatever its case; empty if there is none."""
    headers = event.get("headers") if isinstance(event, dict) else None
    return next((str(value) for given, value in (headers or {}).items() if given.lower() == name), "")
