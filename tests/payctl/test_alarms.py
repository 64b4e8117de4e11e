"""Alarms that stop an update."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from payctl.environments import health
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS


def set_alarm(aws: Callable[[str, str], Any], region: str, name: str, state: str) -> None:
    cloudwatch = aws("cloudwatch", region)
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        MetricName="Errors",
        Namespace="AWS/Lambda",
        Period=300,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        Statistic="Sum",
        TreatMissingData="ignore",  # else the next look of the local cloud, as of AWS, ends the state that is set here
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")


def test_only_this_environments_new_alarms_in_finished_regions_stop_an_update(
    project: Project, aws: Callable[[str, str], Any]
) -> None:
    old, new = (f"payment-{kind}-{SECOND}-{project.suffix}" for kind in ("old", "new"))
    set_alarm(aws, SECOND, old, "ALARM")
    set_alarm(aws, SECOND, new, "OK")
    watch = health.guard(project.environment())
    assert watch((SECOND,)) == ""
    set_alarm(aws, SECOND, f"payment-new-{SECOND}-x{project.suffix}", "ALARM")
    set_alarm(aws, SECOND, f"payment-made-by-the-update-{SECOND}-{project.suffix}", "ALARM")
    assert watch((SECOND,)) == "", "the neighbour's alarm, and one that the update made"
    set_alarm(aws, SECOND, new, "ALARM")
    assert watch((THIRD,)) == "", "a Region that does not have the update yet"
    assert watch((THIRD, SECOND)) == f"alarm {new} fires in {SECOND}, which has the update"


@pytest.mark.parametrize("recreating", [False, True])
def test_the_silence_of_a_region_that_is_made_anew_says_nothing_of_the_update(
    project: Project, aws: Callable[[str, str], Any], recreating: bool
) -> None:
    alarms = json.loads((ROOT / "templates" / "regional.json").read_text())["Resources"]
    peer, other = (
        alarms[alarm]["Properties"]["AlarmName"]["Fn::Sub"]
        .replace("${AWS::Region}", THIRD)
        .replace("${EnvironmentSuffix}", project.suffix)
        for alarm in ("PeerUnansweredAlarm", "PaymentsOverdueAlarm")
    )
    for name in (peer, other):
        set_alarm(aws, THIRD, name, "OK")
    watch = health.guard(project.environment(), recreating=recreating)
    set_alarm(aws, THIRD, peer, "ALARM")
    assert (watch((THIRD,)) == "") is recreating
    set_alarm(aws, THIRD, other, "ALARM")
    assert f"alarm {other} fires" in watch((THIRD,))
