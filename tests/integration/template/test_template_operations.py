"""Guard rules: the alarms, the dashboard and the budget, and that they refer to what exists."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from shared.observability import Metric
from shared.retry_schedule import LONGEST_RETRY, RetrySchedule
from tests.builders import an_order
from tests.integration.template.compiled import Compiled
from tools.repository import ROOT


@pytest.fixture
def alarms(compiled: Compiled) -> list[dict[str, Any]]:
    return list(compiled.properties("CloudWatch::Alarm").values())


def alarm_on(metric: Metric, alarms: list[dict[str, Any]]) -> dict[str, Any]:
    (alarm,) = (alarm for alarm in alarms if alarm["MetricName"] == metric)
    return alarm


def test_each_alarm_tells_the_operator_what_it_means(compiled: Compiled, alarms: list[dict[str, Any]]) -> None:
    (topic,) = compiled.resources("SNS::Topic")
    headings = re.findall(r"^## ([\w-]+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)

    for alarm in alarms:
        assert alarm["AlarmActions"] == [{"Ref": topic}]
        assert "docs/runbook.md" in alarm["AlarmDescription"]
        assert alarm["AlarmName"].removeprefix(f"order-processor-{compiled.stage}-") in headings


def test_silence_raises_only_the_alarm_whose_metric_is_reported_every_minute(alarms: list[dict[str, Any]]) -> None:
    for alarm in alarms:
        reports_always = alarm["MetricName"] == Metric.MOST_OVERDUE_PAYMENT
        assert alarm["TreatMissingData"] == ("missing" if reports_always else "notBreaching")
        assert ("InsufficientDataActions" in alarm) is reports_always


def test_there_is_an_alarm_on_each_way_in_which_an_order_can_be_stuck(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    watched = {alarm["MetricName"]: [each["Value"] for each in alarm["Dimensions"]] for alarm in alarms}

    assert watched == {
        "ApproximateNumberOfMessagesVisible": [{"Fn::GetAtt": ["FailureQueue", "QueueName"]}],
        "IteratorAge": [{"Ref": "ProcessPaymentLambdaFunction"}],
        "5XXError": [compiled.only("ApiGateway::RestApi")["Name"], compiled.stage],
        Metric.MOST_OVERDUE_PAYMENT: ["order-processor"],
        Metric.PAYMENTS_DEFERRED: ["order-processor"],
    }


def test_a_payment_is_overdue_after_several_runs_of_recovery(compiled: Compiled, alarms: list[dict[str, Any]]) -> None:
    longest_run = compiled.properties("Lambda::Function")["RecoverOrdersLambdaFunction"]["Timeout"]

    assert compiled.only("Events::Rule")["ScheduleExpression"] == "rate(1 minute)"
    assert alarm_on(Metric.MOST_OVERDUE_PAYMENT, alarms)["Threshold"] > 5 * longest_run


def test_the_alarm_of_failing_payments_takes_15_minutes_of_failures_and_lasts_until_the_next_attempt(
    alarms: list[dict[str, Any]],
) -> None:
    alarm = alarm_on(Metric.PAYMENTS_DEFERRED, alarms)
    order, schedule = an_order(), RetrySchedule(timedelta(days=3))
    failed = [order.model_copy(update={"attempts": attempts}) for attempts in range(alarm["Threshold"])]
    waits = [schedule.next_attempt_at(each, order.created_at) - order.created_at for each in failed]
    minute = timedelta(minutes=1)  # until RecoverOrders runs after a payment is due

    assert sum(waits[:-1], timedelta()) < timedelta(minutes=15) <= sum(waits, timedelta())
    # Of two periods in a row, one has an attempt in it.
    assert LONGEST_RETRY + 2 * minute < timedelta(seconds=2 * alarm["Period"])
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 1)


def test_alarms_and_dashboard_show_every_metric_of_ours_and_every_function(
    compiled: Compiled, alarms: list[dict[str, Any]]
) -> None:
    body = compiled.only("CloudWatch::Dashboard")["DashboardBody"]["Fn::Sub"]
    namespace = f"order-processor-{compiled.stage}"
    alarmed = {alarm["MetricName"] for alarm in alarms if alarm["Namespace"] == namespace}
    charted = {metric for metric in Metric if f'"{metric}"' in body}

    assert json.loads(body)["widgets"]
    assert f'"{namespace}"' in body
    assert alarmed | charted == set(Metric)
    assert all(f'"${{{name}}}"' in body for name in compiled.resources("Lambda::Function"))


def test_subscription_and_budget_exist_once_there_is_an_address(stages: dict[str, Compiled]) -> None:
    for stage, address in {"dev": "", "prod": "option@example.com"}.items():  # which was a --param
        compiled = stages[stage]
        mailed = [*compiled.resources("SNS::Subscription").values(), *compiled.resources("Budgets::Budget").values()]
        assert compiled.section("Parameters")["AlertEmail"]["Default"] == address
        assert [resource["Condition"] for resource in mailed] == ["HasAlertEmail"] * 2
        assert all('{"Ref": "AlertEmail"}' in json.dumps(resource) for resource in mailed)
