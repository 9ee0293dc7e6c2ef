"""Guard rules: who may call the API, what API Gateway answers by itself, and what it logs."""

import json
import re
from http import HTTPStatus

from shared.problem import REPEAT, SECURITY_HEADERS
from tests.integration.template.compiled import Compiled

HEADER = "gatewayresponse.header."

# What would tell who the client is, or what it sends: `$context.identity` has its address and key, for one.
UNLOGGED = re.compile("identity|authorizer|body|header|key|querystring|requestOverride", re.IGNORECASE)


def test_every_route_requires_a_key_with_a_throttle_and_a_quota(compiled: Compiled) -> None:
    plan, binding = compiled.only("ApiGateway::UsagePlan"), compiled.only("ApiGateway::UsagePlanKey")

    assert [each["ApiKeyRequired"] for each in compiled.properties("ApiGateway::Method").values()] == [True, True]
    assert "Value" not in compiled.only("ApiGateway::ApiKey")  # AWS makes it
    assert plan["Throttle"]["BurstLimit"] >= plan["Throttle"]["RateLimit"] > 0
    assert plan["Quota"]["Limit"] > 0
    assert (binding["KeyId"], binding["UsagePlanId"]) == ({"Ref": "ApiGatewayApiKey1"}, {"Ref": "ApiGatewayUsagePlan"})


def test_the_api_refuses_tls_1_0(compiled: Compiled) -> None:
    assert compiled.only("ApiGateway::RestApi")["SecurityPolicy"] == "TLS_1_2"


def test_every_order_of_dev_is_traced_and_prod_keeps_the_default_of_xray(stages: dict[str, Compiled]) -> None:
    api, deployment = (stages["dev"].only(f"ApiGateway::{kind}") for kind in ("RestApi", "Deployment"))
    rule = stages["dev"].only("XRay::SamplingRule")["SamplingRule"]

    assert rule["ServiceName"] == f"{api['Name']}/{deployment['StageName']}"
    assert (rule["FixedRate"], rule["HTTPMethod"], rule["URLPath"]) == (1, "POST", "*/orders")
    assert not stages["prod"].resources("XRay::SamplingRule")


def test_api_gateway_answers_with_problems(compiled: Compiled) -> None:
    responses = compiled.properties("ApiGateway::GatewayResponse").values()
    (deployment,) = compiled.resources("ApiGateway::Deployment").values()

    assert {"DEFAULT_4XX", "DEFAULT_5XX"} <= {response["ResponseType"] for response in responses}
    assert compiled.resources("ApiGateway::GatewayResponse").keys() <= set(deployment["DependsOn"])
    for response in responses:
        headers = {name: value.strip("'") for name, value in response["ResponseParameters"].items()}
        expected = {"Content-Type": "application/problem+json", **SECURITY_HEADERS}
        assert {f"{HEADER}{name}": value for name, value in expected.items()}.items() <= headers.items()
        problem = json.loads(response["ResponseTemplates"]["application/json"])
        assert problem["detail"]
        # Without a status of its own it keeps that of the error.
        status = HTTPStatus(int(response["StatusCode"])) if "StatusCode" in response else None
        assert (problem.get("status"), problem.get("title")) == (status, status and status.phrase)


def test_responses_that_invite_to_try_again_say_when_and_how(compiled: Compiled) -> None:
    seconds = {}
    for response in compiled.properties("ApiGateway::GatewayResponse").values():
        retry_after = response["ResponseParameters"].get(f"{HEADER}Retry-After")
        detail = json.loads(response["ResponseTemplates"]["application/json"])["detail"]
        assert (REPEAT in detail) is (retry_after is not None)
        if retry_after:
            seconds[response["ResponseType"]] = retry_after

    assert seconds == {
        "THROTTLED": "'1'",
        "QUOTA_EXCEEDED": "'3600'",
        "INTEGRATION_FAILURE": "'2'",
        "INTEGRATION_TIMEOUT": "'2'",
        "DEFAULT_5XX": "'2'",  # Lambda's throttling, among others
    }


def test_access_logs_tell_neither_who_the_client_is_nor_what_it_sends(stages: dict[str, Compiled]) -> None:
    state = json.loads((stages["prod"].folder / "serverless-state.json").read_text())
    logs = state["service"]["provider"]["logs"]["restApi"]

    assert not [source for source in json.loads(logs["format"]).values() if UNLOGGED.search(source)]
    assert (logs["executionLogging"], logs["fullExecutionData"]) == (False, False)
