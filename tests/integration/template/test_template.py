"""Guard rules: what CloudFormation gets from serverless.yml for each stage."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.integration.template.compiled import Compiled
from tools.stage import LOG_DAYS
from tools.trace.logs import FUNCTIONS as LOGGED

# These take no resource (https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html).
WITHOUT_RESOURCES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}

# W3005: serverless-iam-roles-per-function writes a DependsOn that is implied already.
ACCEPTED = ["W3005"]

OF_EVERY_FUNCTION = {"logs:CreateLogStream", "logs:PutLogEvents"} | WITHOUT_RESOURCES
OF_A_STREAM = {f"dynamodb:{action}" for action in ("GetRecords", "GetShardIterator", "DescribeStream", "ListStreams")}
ALLOWED = {
    "CreateOrder": {"dynamodb:PutItem"},
    "GetOrder": {"dynamodb:GetItem"},
    "ProcessPayment": {"dynamodb:PartiQLUpdate", "sqs:SendMessage"} | OF_A_STREAM,
    "RecoverOrders": {"dynamodb:Query", "dynamodb:BatchGetItem", "dynamodb:PartiQLUpdate"},
}

API_LOGS_ROLE = "ApiGatewayLogsRole"  # API Gateway's, with the one policy that it takes


def test_the_templates_pass_cfn_lint(stages: dict[str, Compiled]) -> None:
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    templates = [str(compiled.template) for compiled in stages.values()]
    command = [cfn_lint, "--ignore-checks", *ACCEPTED, "--template", *templates]

    linting = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (linting.returncode, linting.stdout, linting.stderr) == (0, "", "")


def test_each_stream_mapping_filters_and_loses_no_order(compiled: Compiled) -> None:
    queues = compiled.resources("SQS::Queue")
    mappings = compiled.properties("Lambda::EventSourceMapping")

    assert mappings
    for mapping in mappings.values():
        assert mapping["FilterCriteria"]["Filters"]
        assert 0 < mapping["MaximumRetryAttempts"] < 10
        assert mapping["BisectBatchOnFunctionError"] is True
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["StartingPosition"] == "TRIM_HORIZON"
        assert mapping["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0] in queues


def test_no_role_has_a_wildcard_where_something_narrower_exists(compiled: Compiled) -> None:
    for role, statement in compiled.statements():
        assert not [action for action in _list(statement["Action"]) if "*" in action], role
        if "*" in _list(statement["Resource"]):
            assert set(_list(statement["Action"])) <= WITHOUT_RESOURCES, role


def test_each_function_has_a_role_of_its_own_that_allows_just_what_it_does(compiled: Compiled) -> None:
    roles = compiled.properties("IAM::Role")
    functions = [properties["Role"]["Fn::GetAtt"][0] for properties in compiled.properties("Lambda::Function").values()]
    allowed: dict[str, set[str]] = {}
    for role, statement in compiled.statements():
        function = role.removesuffix("IamRoleLambdaExecution")
        allowed.setdefault(function, set()).update(_list(statement["Action"]))

    assert allowed == {function: actions | OF_EVERY_FUNCTION for function, actions in ALLOWED.items()}
    assert sorted(functions) == sorted(roles.keys() - {API_LOGS_ROLE})
    assert {name for name, role in roles.items() if role.get("ManagedPolicyArns")} <= {API_LOGS_ROLE}


def test_each_function_has_a_log_group_and_each_log_group_expires(compiled: Compiled) -> None:
    names = {properties["FunctionName"] for properties in compiled.properties("Lambda::Function").values()}
    groups = compiled.properties("Logs::LogGroup").values()

    of_functions = {f"/aws/lambda/{name}" for name in names}
    of_the_api = {"/aws/api-gateway/order-processor-prod"} if compiled.stage == "prod" else set()
    assert {group["LogGroupName"] for group in groups} == of_functions | of_the_api
    assert {group["RetentionInDays"] for group in groups} == {LOG_DAYS[compiled.stage]}
    assert {f"/aws/lambda/order-processor-{compiled.stage}-{function}" for function in LOGGED} <= of_functions


def test_functions_run_python_on_arm_and_all_but_the_one_of_every_minute_are_traced(
    stages: dict[str, Compiled], resolved_service: dict[str, Any]
) -> None:
    for name, properties in stages["prod"].properties("Lambda::Function").items():
        assert (properties["Runtime"], properties["Architectures"]) == ("python3.13", ["arm64"])
        assert properties["TracingConfig"]["Mode"] == ("PassThrough" if "Recover" in name else "Active")
    # The package that test_package.py runs is made for this machine.
    assert "--platform manylinux2014_aarch64" in resolved_service["custom"]["pythonRequirements"]["pipCmdExtraArgs"]


def test_prod_keeps_the_orders_and_dev_leaves_nothing(compiled: Compiled) -> None:
    is_prod = compiled.stage == "prod"

    table = compiled.resources("DynamoDB::Table")["OrdersTable"]

    # RetainExceptOnCreate: a first deploy that fails leaves no table, which would make the next one fail.
    assert table["DeletionPolicy"] == ("RetainExceptOnCreate" if is_prod else "Delete")
    assert "DeletionProtectionEnabled" not in table["Properties"]
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": is_prod}


def test_two_regions_and_two_stages_can_be_deployed_side_by_side(compiled: Compiled) -> None:
    """The names of roles and dashboards count for the whole account, and those of budgets and buckets beyond."""
    names = [json.dumps(role["RoleName"]) for role in compiled.properties("IAM::Role").values() if "RoleName" in role]
    names.append(json.dumps(compiled.only("CloudWatch::Dashboard")["DashboardName"]))

    assert len(names) == 5
    assert all(compiled.stage in name and ("AWS::Region" in name or "us-east-1" in name) for name in names)
    assert "BudgetName" not in compiled.only("Budgets::Budget")["Budget"]
    assert "BucketName" not in compiled.only("S3::Bucket")


def test_queues_are_encrypted_and_keep_messages_for_14_days(compiled: Compiled) -> None:
    for queue in compiled.properties("SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def _list(value: Any) -> list[Any]:  # noqa: ANN401  # IAM takes one or many
    return value if isinstance(value, list) else [value]
