"""Guard rules: the alarms, the dashboard and the budget, and that they refer to what exists."""

import json
import re
import shutil
import subprocess
from datetime import timedelta
from itertools import chain
from pathlib import Path
from textwrap import dedent, indent
from typing import Any

import pytest

from local.environment import environment
from local.serverless_yml import SERVERLESS
from shared.observability import Metric
from shared.order_table import BUCKETS
from shared.retry_schedule import LONGEST_RETRY, RetrySchedule
from tests.builders import an_order
from tests.integration.template.compiled import Compiled
from tests.markdown import blocks
from tools.repository import ROOT


@pytest.fixture
def alarms(compiled: Compiled) -> list[dict[str, Any]]:
    return list(compiled.properties("AWS::CloudWatch::Alarm").values())


@pytest.fixture
def widgets(compiled: Compiled) -> list[dict[str, Any]]:
    (dashboard,) = compiled.properties("AWS::CloudWatch::Dashboard").values()
    return [widget["properties"] for widget in json.loads(dashboard["DashboardBody"]["Fn::Sub"])["widgets"]]


def test_there_are_five_alarms_and_each_tells_the_operator_what_it_means(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    (topic,) = compiled.resources("AWS::SNS::Topic")

    names = {alarm["AlarmName"].removeprefix(f"order-processor-{compiled.stage}-") for alarm in alarms}
    assert names == {"failure-queue", "overdue-payments", "failing-payments", "iterator-age", "api-5xx"}
    for alarm in alarms:
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert "docs/runbook.md" in alarm["AlarmDescription"]


def test_the_runbook_has_a_section_for_each_alarm(compiled: Compiled, alarms: list[dict[str, Any]]) -> None:
    headings = re.findall(r"^## ([\w-]+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)

    assert {alarm["AlarmName"].removeprefix(f"order-processor-{compiled.stage}-") for alarm in alarms} <= set(headings)


def test_silence_raises_only_the_alarm_whose_metric_is_reported_every_minute(alarms: list[dict[str, Any]]) -> None:
    for alarm in alarms:
        reports_always = alarm["MetricName"] == Metric.MOST_OVERDUE_PAYMENT
        assert alarm["TreatMissingData"] == ("missing" if reports_always else "notBreaching")
        assert ("InsufficientDataActions" in alarm) is reports_always


def test_there_is_an_alarm_on_each_way_in_which_an_order_can_be_stuck(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    watched = {alarm["MetricName"]: [each["Value"] for each in alarm["Dimensions"]] for alarm in alarms}

    assert watched["ApproximateNumberOfMessagesVisible"] == [{"Fn::GetAtt": ["FailureQueue", "QueueName"]}]
    assert watched["IteratorAge"] == [{"Ref": "ProcessPaymentLambdaFunction"}]
    assert watched["5XXError"] == [api_name(compiled), compiled.stage]
    assert watched[Metric.MOST_OVERDUE_PAYMENT] == watched[Metric.PAYMENTS_DEFERRED] == ["order-processor"]


def test_a_payment_is_overdue_after_several_runs_of_recovery(compiled: Compiled, alarms: list[dict[str, Any]]) -> None:
    (rule,) = compiled.properties("AWS::Events::Rule").values()
    longest_run = compiled.properties("AWS::Lambda::Function")["RecoverOrdersLambdaFunction"]["Timeout"]
    alarm = alarm_on(Metric.MOST_OVERDUE_PAYMENT, alarms)

    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert alarm["Threshold"] > 5 * longest_run
    assert alarm["Period"] == 5 * 60  # so one run that is missed does not mean that there is no data


def test_the_alarm_of_failing_payments_takes_15_minutes_of_failures(alarms: list[dict[str, Any]]) -> None:
    failures = int(alarm_on(Metric.PAYMENTS_DEFERRED, alarms)["Threshold"]) + 1
    order, schedule = an_order(), RetrySchedule(timedelta(days=3))
    failed = [order.model_copy(update={"attempts": attempts}) for attempts in range(failures - 1)]
    waits = [schedule.next_attempt_at(each, order.created_at) - order.created_at for each in failed]

    assert sum(waits[:-1], timedelta()) < timedelta(minutes=15) <= sum(waits, timedelta())


def test_the_alarm_of_failing_payments_lasts_until_the_next_attempt(alarms: list[dict[str, Any]]) -> None:
    alarm = alarm_on(Metric.PAYMENTS_DEFERRED, alarms)
    minute = timedelta(minutes=1)  # until RecoverOrders runs after a payment is due

    # Of two periods in a row, one has an attempt in it.
    assert LONGEST_RETRY + 2 * minute < timedelta(seconds=2 * alarm["Period"])
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 1)


def test_metrics_of_ours_are_ones_that_the_code_emits(
    compiled: Compiled, alarms: list[dict[str, Any]], widgets: list[dict[str, Any]]
) -> None:
    namespace = f"order-processor-{compiled.stage}"
    charted = [metric for widget in widgets for metric in full_names(widget["metrics"]) if metric[0] == namespace]
    alarmed = [alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == namespace]

    assert {*alarmed, *(name for _, name, *_ in charted)} == set(Metric)
    assert {tuple(dimension) for _, _, *dimension in charted} == {("service", "order-processor")}


def test_the_dashboard_shows_every_function(compiled: Compiled, widgets: list[dict[str, Any]]) -> None:
    named = [metric for widget in widgets for metric in full_names(widget["metrics"])]
    functions = {f"${{{name}}}" for name in compiled.resources("AWS::Lambda::Function")}

    for metric in ("Errors", "Throttles"):
        assert {function for _, name, _, function, *_ in named if name == metric} == functions
    assert ("AWS/ApiGateway", "5XXError", "ApiName", api_name(compiled), "Stage", compiled.stage) in named


def test_subscription_and_budget_exist_once_there_is_an_address(compiled: Compiled) -> None:
    mailed = ["AWS::SNS::Subscription", "AWS::Budgets::Budget"]

    assert compiled.section("Parameters")["AlertEmail"]["Default"] == ""
    assert compiled.section("Conditions")["HasAlertEmail"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlertEmail"}, ""]}]}
    for resource in chain.from_iterable(compiled.resources(kind).values() for kind in mailed):
        assert resource["Condition"] == "HasAlertEmail"
        assert {"Ref": "AlertEmail"} in references(resource)
    assert all(compiled.resources(kind) for kind in mailed)


def test_the_budget_counts_what_credits_pay_for(compiled: Compiled) -> None:
    (budget,) = compiled.properties("AWS::Budgets::Budget").values()

    assert budget["Budget"]["CostTypes"] == {"IncludeCredit": False, "IncludeRefund": False}
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 5, "Unit": "USD"}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with a serverless.yml of its own."""
    for name in ("serverless.yml", "package.json"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("resources", "node_modules"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def sls_print(folder: Path, *options: str) -> dict[str, Any]:
    command = [SERVERLESS, "print", "--format", "json", *options]
    printed = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=True)
    service: dict[str, Any] = json.loads(printed.stdout)
    return service


@pytest.mark.parametrize(
    ("options", "address"),
    [([], "file@example.com"), (["--param", "alert_email=option@example.com"], "option@example.com")],
)
def test_the_address_comes_from_dotenv_or_from_the_command_line(options: list[str], address: str, clone: Path) -> None:
    (clone / ".env").write_text((ROOT / ".env.example").read_text().replace("you@", "file@"))

    assert sls_print(clone, *options)["resources"]["Parameters"]["AlertEmail"]["Default"] == address


def test_the_runbooks_events_share_the_index_among_several_runs(clone: Path) -> None:
    (events,) = blocks(ROOT / "docs" / "runbook.md", "yaml")
    settings = (clone / "serverless.yml").read_text()
    event = "      - schedule: rate(1 minute)\n"
    assert event in settings
    (clone / "serverless.yml").write_text(settings.replace(event, indent(dedent(events), "      ") + "\n"))

    printed = sls_print(clone)

    schedules = [event["schedule"] for event in printed["functions"]["recoverOrders"]["events"]]
    assert {schedule["rate"][0] for schedule in schedules} == {"rate(1 minute)"}
    assert "".join(schedule["input"]["buckets"] for schedule in schedules) == BUCKETS


def test_git_ignores_the_address() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", ".env", ".env.example"], cwd=ROOT, capture_output=True, check=False
    )

    assert ignored.stdout == b".env\n"


def alarm_on(metric: Metric, alarms: list[dict[str, Any]]) -> dict[str, Any]:
    (alarm,) = (alarm for alarm in alarms if alarm["MetricName"] == metric)
    return alarm


def api_name(compiled: Compiled) -> str:
    (api,) = compiled.properties("AWS::ApiGateway::RestApi").values()
    return str(api["Name"])


def full_names(metrics: list[list[Any]]) -> list[tuple[Any, ...]]:
    """Write out the metrics of a widget, without their options.

    "." repeats a field of the metric before it, "..." all fields but the last ("Dashboard body structure and syntax").
    """
    full: list[tuple[Any, ...]] = []
    for metric in metrics:
        fields = [field for field in metric if isinstance(field, str)]
        if fields[:1] == ["..."]:
            fields = [*full[-1][: len(full[-1]) - len(fields) + 1], *fields[1:]]
        full.append(tuple(full[-1][index] if field == "." else field for index, field in enumerate(fields)))
    return full


def references(value: object) -> list[Any]:
    """Every `{"Ref": …}` in a resource."""
    if isinstance(value, dict):
        return [value] if "Ref" in value else [ref for each in value.values() for ref in references(each)]
    return [ref for each in value for ref in references(each)] if isinstance(value, list) else []
