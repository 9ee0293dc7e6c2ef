"""Guard rules: who may call the API, what API Gateway answers by itself, and what it logs."""

import json
import re
from http import HTTPStatus

from shared.problem import REPEAT, SECURITY_HEADERS
from tests.integration.template.compiled import Compiled

PROBLEM_TYPES = {
    "INVALID_API_KEY": 403,
    "MISSING_AUTHENTICATION_TOKEN": 404,
    "RESOURCE_NOT_FOUND": 404,
    "REQUEST_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "THROTTLED": 429,
    "QUOTA_EXCEEDED": 429,
    "INTEGRATION_FAILURE": 503,
    "INTEGRATION_TIMEOUT": 504,
    "DEFAULT_4XX": None,
    "DEFAULT_5XX": None,
}
HEADER = "gatewayresponse.header."

# What would tell who the client is, or what it sends: `$context.identity` has its address and key, for one.
UNLOGGED = re.compile("identity|authorizer|body|header|key|querystring|requestOverride", re.IGNORECASE)


def test_every_route_requires_a_key(compiled: Compiled) -> None:
    methods = compiled.properties("AWS::ApiGateway::Method").values()

    assert len(methods) == 2
    assert all(method["ApiKeyRequired"] is True for method in methods)


def test_the_key_is_bound_to_a_throttle_and_a_quota(compiled: Compiled) -> None:
    (key,) = compiled.properties("AWS::ApiGateway::ApiKey").values()
    (plan,) = compiled.properties("AWS::ApiGateway::UsagePlan").values()
    (binding,) = compiled.properties("AWS::ApiGateway::UsagePlanKey").values()

    assert key["Name"] == f"order-processor-{compiled.stage}"
    assert "Value" not in key  # AWS makes it
    assert plan["Throttle"]["BurstLimit"] >= plan["Throttle"]["RateLimit"] > 0
    assert plan["Quota"]["Limit"] > 0
    assert (binding["KeyId"], binding["UsagePlanId"]) == ({"Ref": "ApiGatewayApiKey1"}, {"Ref": "ApiGatewayUsagePlan"})


def test_the_api_refuses_tls_1_0(compiled: Compiled) -> None:
    (api,) = compiled.properties("AWS::ApiGateway::RestApi").values()

    assert api["SecurityPolicy"] == "TLS_1_2"
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}  # an edge endpoint takes other policies


def test_every_order_of_dev_is_traced_and_prod_keeps_the_default_of_xray(compiled: Compiled) -> None:
    (api,) = compiled.properties("AWS::ApiGateway::RestApi").values()
    (deployment,) = compiled.properties("AWS::ApiGateway::Deployment").values()
    rules = [each["SamplingRule"] for each in compiled.properties("AWS::XRay::SamplingRule").values()]

    assert len(rules) == (1 if compiled.stage == "dev" else 0)
    for rule in rules:
        assert rule["ServiceName"] == f"{api['Name']}/{deployment['StageName']}"
        assert (rule["FixedRate"], rule["HTTPMethod"], rule["URLPath"]) == (1, "POST", "*/orders")
        assert len(rule["RuleName"]) <= 32


def test_api_gateway_answers_with_problems(compiled: Compiled) -> None:
    responses = compiled.properties("AWS::ApiGateway::GatewayResponse").values()

    assert {response["ResponseType"] for response in responses} == set(PROBLEM_TYPES)
    for response in responses:
        headers, status = response["ResponseParameters"], PROBLEM_TYPES[response["ResponseType"]]
        problem = json.loads(response["ResponseTemplates"]["application/json"])
        assert headers[f"{HEADER}Content-Type"] == "'application/problem+json'"
        assert (
            SECURITY_HEADERS.items()
            <= {name.removeprefix(HEADER): value.strip("'") for name, value in headers.items()}.items()
        )
        assert problem["detail"]
        assert problem.get("status") == status
        assert response.get("StatusCode") == (str(status) if status else None)
        assert problem.get("title") == (HTTPStatus(status).phrase if status else None)


def test_responses_that_invite_to_try_again_say_when_and_how(compiled: Compiled) -> None:
    inviting = {}
    for response in compiled.properties("AWS::ApiGateway::GatewayResponse").values():
        retry_after = response["ResponseParameters"].get(f"{HEADER}Retry-After")
        detail = json.loads(response["ResponseTemplates"]["application/json"])["detail"]
        assert (REPEAT in detail) is (retry_after is not None)
        inviting[response["ResponseType"]] = retry_after

    assert {kind: seconds for kind, seconds in inviting.items() if seconds} == {
        "THROTTLED": "'1'",
        "QUOTA_EXCEEDED": "'3600'",
        "INTEGRATION_FAILURE": "'2'",
        "INTEGRATION_TIMEOUT": "'2'",
        "DEFAULT_5XX": "'2'",  # Lambda's throttling, among others
    }


def test_a_deployment_of_the_api_has_what_it_answers_by_itself(compiled: Compiled) -> None:
    (deployment,) = compiled.resources("AWS::ApiGateway::Deployment").values()

    assert set(compiled.resources("AWS::ApiGateway::GatewayResponse")) <= set(deployment["DependsOn"])


def test_access_logs_tell_neither_who_the_client_is_nor_what_it_sends(stages: dict[str, Compiled]) -> None:
    state = json.loads(stages["prod"].template.with_name("serverless-state.json").read_text())
    logs = state["service"]["provider"]["logs"]["restApi"]

    assert not [source for source in json.loads(logs["format"]).values() if UNLOGGED.search(source)]
    assert (logs["executionLogging"], logs["fullExecutionData"]) == (False, False)
