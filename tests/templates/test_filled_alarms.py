"""Alarms that fill what is missing see what is published late, and go off again (docs/aws.md, "Filled data points")."""

from typing import Any

from builder.lint.evaluate import Resolved
from localcloud.gaps import metric_math

# Of those that alarms watch; DynamoDB aggregates all others per five minutes (docs/aws.md, "How often DynamoDB tells").
EVERY_MINUTE = {"ReadThrottleEvents", "WriteThrottleEvents"}


def filled(stack: Resolved) -> dict[str, dict[str, Any]]:
    alarms = stack.of_type("AWS::CloudWatch::Alarm")
    return {name: alarm for name, alarm in alarms.items() if "FILL(" in str(alarm.get("Metrics"))}


def stats(alarm: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {query["Id"]: query["MetricStat"] for query in alarm.get("Metrics", ()) if "MetricStat" in query}


def on(alarm: dict[str, Any], metric: str, period: int) -> bool:
    """Whether the alarm is on in a period after one metric breached once, in period 0, and nothing came since."""
    (result,) = (query for query in alarm["Metrics"] if query["ReturnData"])
    values = {name: {0: alarm["Threshold"] + 1.0} if name == metric else {} for name in stats(alarm)}
    window = list(range(period, period - int(alarm["EvaluationPeriods"]), -1))
    told = metric_math.evaluate(result["Expression"], values, window)
    needed: int = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    return sum(value > float(alarm["Threshold"]) for value in told.values()) >= needed


def test_an_alarm_sees_what_came_after_the_next_period_began(stack: Resolved) -> None:
    alarms = filled(stack)
    assert len(alarms) == 5
    for name, alarm in alarms.items():
        assert all(on(alarm, metric, 1) for metric in stats(alarm)), name


def test_and_goes_off_when_nothing_more_comes(stack: Resolved) -> None:
    for name, alarm in filled(stack).items():
        assert not any(on(alarm, metric, alarm["EvaluationPeriods"]) for metric in stats(alarm)), name


def test_alarms_on_dynamodb_fill_and_ask_no_more_often_than_it_tells(stack: Resolved) -> None:
    watched = 0
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        assert alarm.get("Namespace") != "AWS/DynamoDB", name
        for stat in stats(alarm).values():
            if stat["Metric"]["Namespace"] == "AWS/DynamoDB":
                watched += 1
                assert name in filled(stack), name
                assert stat["Period"] >= (60 if stat["Metric"]["MetricName"] in EVERY_MINUTE else 300), name
    assert watched
