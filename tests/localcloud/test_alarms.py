"""Alarms as CloudWatch judges them, and the metric math of those that the templates use."""

import json
import time
from typing import Any

import pytest

from localcloud.gaps import metric_math
from tests.localcloud.conftest import REGIONS, Clients, eventually

REGION = REGIONS[2]
TIMES = [0, 60, 120]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("errors + calls", {0: 11.0, 60: 2.0}),
        ("100 * errors / calls", {0: 10.0, 60: 100.0}),
        ("IF(calls > 0, 100 * errors / calls, 0)", {0: 10.0, 60: 100.0}),
        ("IF(FILL(calls, 0) > 5, 1, 0)", {0: 1.0, 60: 0.0, 120: 0.0}),
        ("SUM(FILL(METRICS(), 0))", {0: 11.0, 60: 2.0, 120: 7.0}),
        ("MAX(METRICS())", {0: 10.0, 60: 1.0, 120: 7.0}),
        ("MIN([calls, errors])", {0: 1.0, 60: 1.0, 120: 7.0}),
        ("errors / (calls - calls)", {}),
        ("5", {0: 5.0, 60: 5.0, 120: 5.0}),
    ],
)
def test_expressions(expression: str, expected: dict[int, float]) -> None:
    metrics = {"calls": {0: 10.0, 60: 1.0}, "errors": {0: 1.0, 60: 1.0, 120: 7.0}}
    assert metric_math.evaluate(expression, metrics, TIMES) == expected


@pytest.mark.parametrize(
    "expression", ["calls.real", "open('x')", "[calls, errors]", "ANOMALY(calls)", "calls if 1 else 2"]
)
def test_anything_else_is_refused(expression: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        metric_math.evaluate(expression, {"calls": {}, "errors": {}}, TIMES)


def alarm(name: str, **properties: Any) -> dict[str, Any]:
    """An alarm over 50 of metric `M` of dimension Name=name, one period of a minute."""
    common = {"AlarmName": name, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 50, "EvaluationPeriods": 1}
    plain = {"Namespace": "Test", "MetricName": "M", "Period": 60, "Statistic": "Sum"}
    dimension = {"Dimensions": [{"Name": "Name", "Value": name}]}
    base = common if "Metrics" in properties else {**common, **plain, **dimension}
    return {"Type": "AWS::CloudWatch::Alarm", "Properties": {**base, **properties}}


def deploy(client: Clients, name: str, resource: dict[str, Any]) -> None:
    cloudformation = client("cloudformation", REGION)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Alarm": resource}}))
    eventually(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")


def state(client: Clients, name: str) -> str:
    value: str = client("cloudwatch", REGION).describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"]
    return value


def put(client: Clients, name: str, **values: float) -> None:
    """Values of metrics, all of one moment."""
    common = {"Dimensions": [{"Name": "Name", "Value": name}], "Timestamp": time.time()}
    data = [{"MetricName": metric, "Value": value, **common} for metric, value in values.items()]
    client("cloudwatch", REGION).put_metric_data(Namespace="Test", MetricData=data)


@pytest.mark.evidence
def test_an_alarm_sees_its_own_dimensions_only(client: Clients, name: str) -> None:
    deploy(client, name, alarm(name, TreatMissingData="notBreaching"))
    put(client, "other", M=1000)
    eventually(lambda: state(client, name) == "OK")
    put(client, name, M=51)
    eventually(lambda: state(client, name) == "ALARM")


@pytest.mark.evidence
def test_an_alarm_of_metric_math(client: Clients, name: str) -> None:
    """The rate of errors, as the templates watch it."""

    def query(metric: str) -> dict[str, Any]:
        described = {"Namespace": "Test", "MetricName": metric, "Dimensions": [{"Name": "Name", "Value": name}]}
        stat = {"Metric": described, "Period": 300, "Stat": "Sum"}
        return {"Id": metric.lower(), "MetricStat": stat, "ReturnData": False}

    rate = {"Id": "rate", "Expression": "IF(calls > 0, 100 * errors / calls, 0)", "ReturnData": True}
    queries = [rate, query("Calls"), query("Errors")]
    deploy(client, name, alarm(name, Metrics=queries, TreatMissingData="notBreaching"))
    put(client, name, Calls=10, Errors=5)
    eventually(lambda: state(client, name) == "OK")
    put(client, name, Calls=10, Errors=6)  # too many by themselves as well: they may be in the next period
    eventually(lambda: state(client, name) == "ALARM")


@pytest.mark.evidence
def test_missing_data_is_what_the_alarm_says(client: Clients, name: str) -> None:
    """A silent heartbeat alarms when missing data is breaching, but not before its periods are over."""
    treated = {"late": "breaching", "calm": "notBreaching", "mute": "missing"}
    for suffix, treat in treated.items():
        deploy(client, name + suffix, alarm(name + suffix, TreatMissingData=treat, Period=10))
    eventually(lambda: state(client, name + "calm") == "OK")
    assert state(client, name + "late") == "INSUFFICIENT_DATA"
    eventually(lambda: state(client, name + "late") == "ALARM", seconds=30)
    assert state(client, name + "mute") == "INSUFFICIENT_DATA"
