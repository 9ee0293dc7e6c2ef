"""Guard rules: what an operator is told and shown, and that it is there to be told."""

import json
import re
import subprocess
from itertools import chain
from typing import Any

import pytest

from local.environment import environment
from local.service import ROOT, SERVERLESS
from shared.order import Status
from tests.integration.compiled import STAGES, Compiled, compiled_stage


@pytest.fixture(scope="module", params=STAGES)
def compiled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    return compiled_stage(request.param, tmp_path_factory.getbasetemp())


@pytest.fixture
def alarms(compiled: Compiled) -> list[dict[str, Any]]:
    return list(compiled.properties("AWS::CloudWatch::Alarm").values())


@pytest.fixture
def widgets(compiled: Compiled) -> list[dict[str, Any]]:
    (dashboard,) = compiled.properties("AWS::CloudWatch::Dashboard").values()
    return [widget["properties"] for widget in json.loads(dashboard["DashboardBody"])["widgets"]]


def test_every_alarm_tells_the_operator_what_it_means(compiled: Compiled, alarms: list[dict[str, Any]]) -> None:
    (topic,) = compiled.resources("AWS::SNS::Topic")

    for alarm in alarms:
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert len(alarm["AlarmDescription"]) > 100
        assert alarm["TreatMissingData"] in {"notBreaching", "missing"}
        assert alarm["TreatMissingData"] == "notBreaching" or alarm["InsufficientDataActions"] == [{"Ref": topic}]


def test_each_function_has_an_alarm_on_errors_and_on_throttles(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    of_functions = [alarm for alarm in alarms if alarm["MetricName"] in {"Errors", "Throttles"}]

    watched = {(alarm["Dimensions"][0]["Value"]["Ref"], alarm["MetricName"]) for alarm in of_functions}

    functions = compiled.resources("AWS::Lambda::Function")
    assert watched == {(name, metric) for name in functions for metric in ("Errors", "Throttles")}


def test_there_is_an_alarm_on_each_way_in_which_an_order_can_be_stuck(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    watched = {alarm["MetricName"]: [each["Value"] for each in alarm["Dimensions"]] for alarm in alarms}

    assert watched["ApproximateNumberOfMessagesVisible"] == [{"Fn::GetAtt": ["FailureQueue", "QueueName"]}]
    assert watched["IteratorAge"] == [{"Ref": "ProcessPaymentLambdaFunction"}]
    assert watched["5XXError"] == [api_name(compiled), compiled.stage]
    assert watched["OldestPendingOrder"] == ["order-processor"]


def test_metrics_of_ours_are_ones_that_the_code_emits(
    compiled: Compiled, alarms: list[dict[str, Any]], widgets: list[dict[str, Any]]
) -> None:
    namespace = f"order-processor-{compiled.stage}"
    charted = [metric for widget in widgets for metric in widget["metrics"] if metric[0] == namespace]
    alarmed = [alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == namespace]

    assert alarmed
    assert {*alarmed, *(name for _, name, *_ in charted)} <= emitted()
    assert {tuple(dimension) for _, _, *dimension, _ in charted} == {("service", "order-processor")}


def test_the_dashboard_shows_the_way_of_an_order(compiled: Compiled, widgets: list[dict[str, Any]]) -> None:
    named = set(chain.from_iterable(metric[2:-1] for widget in widgets for metric in widget["metrics"]))
    functions = {properties["FunctionName"] for properties in compiled.properties("AWS::Lambda::Function").values()}

    assert [widget["title"] for widget in widgets] == [
        "Requests",
        "Orders created",
        "Wait in the stream",
        "Payments",
        "Seconds from order to outcome",
        "Still pending",
        "Failures",
    ]
    assert functions | {api_name(compiled), f"order-processor-{compiled.stage}-failures"} <= named


def test_subscription_and_budget_exist_once_there_is_an_address(compiled: Compiled) -> None:
    mailed = ["AWS::SNS::Subscription", "AWS::Budgets::Budget"]

    assert compiled.section("Parameters")["AlertEmail"]["Default"] == ""
    assert compiled.section("Conditions")["HasAlertEmail"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertEmail"}, ""]}]}
    for resource in chain.from_iterable(compiled.resources(kind).values() for kind in mailed):
        assert resource["Condition"] == "HasAlertEmail"
        assert {"Ref": "AlertEmail"} in references(resource)
    assert all(compiled.resources(kind) for kind in mailed)


def test_the_address_comes_from_the_command_line() -> None:
    command = [SERVERLESS, "print", "--format", "json", "--param", "alert_email=operator@example.com"]

    printed = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)

    parameters = json.loads(printed.stdout)["resources"]["Parameters"]
    assert parameters["AlertEmail"]["Default"] == "operator@example.com"


def api_name(compiled: Compiled) -> str:
    (api,) = compiled.properties("AWS::ApiGateway::RestApi").values()
    return str(api["Name"])


def emitted() -> set[str]:
    """The names of the metrics in the code; `{status…}` in one stands for any status."""
    sources = [path.read_text() for part in ("functions", "shared") for path in (ROOT / part).glob("*.py")]
    names = set(chain.from_iterable(re.findall(r'add_metric\(\s*name=f?"([^"]+)"', source) for source in sources))
    return {re.sub("{.*}", status.capitalize(), name) for name in names for status in Status}


def references(value: object) -> list[Any]:
    """Every `{"Ref": …}` in a resource."""
    if isinstance(value, dict):
        return [value] if "Ref" in value else [ref for each in value.values() for ref in references(each)]
    return [ref for each in value for ref in references(each)] if isinstance(value, list) else []
