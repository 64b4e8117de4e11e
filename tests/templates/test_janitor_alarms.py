"""Alarms on what the janitor tells: all of it, and on while a payment waits though it is not looked at every minute
(docs/design.md, "Alarms")."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from payments import janitor, runtime
from payments.protocol.sweep import PATIENCE
from payments.rounds import Told

from builder.lint.evaluate import Resolved
from builder.regional_template import regional_template
from builder.settings import DEFAULT_FILE, load

HOUR = 60


@pytest.fixture(params=["PaymentsParkedAlarm", "PaymentsOverdueAlarm"])
def alarm(request: pytest.FixtureRequest, stack: Resolved) -> dict[str, Any]:
    return stack.of_type("AWS::CloudWatch::Alarm")[request.param]


def looks(until: int) -> list[bool]:
    """For each minute, whether the janitor looked at a payment that waits from minute 0 to `until`."""
    seen, due = [], 0
    for minute in range(HOUR * 4):
        age = minute * 60
        look = minute < until and age >= due
        if look:
            due = age + min(max(age // 2, PATIENCE[0]), PATIENCE[1])
        seen.append(look)
    return seen


def on(alarm: dict[str, Any], seen: list[bool], minute: int) -> bool:
    """M of N, missing data not breaching; the newest two minutes may not have arrived."""
    assert alarm["Period"] == 60
    window = seen[max(0, minute - 1 - alarm["EvaluationPeriods"]) : minute - 1]
    needed: int = alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"])
    return sum(window) >= needed


def test_the_alarm_stays_on_while_a_payment_waits(alarm: dict[str, Any]) -> None:
    seen = looks(until=2 * HOUR)
    assert not all(seen[:HOUR]), "the janitor was meant to be patient"
    assert all(on(alarm, seen, minute) for minute in range(3, 2 * HOUR))


def test_and_goes_off_when_it_waits_no_more(alarm: dict[str, Any]) -> None:
    seen = looks(until=2 * HOUR)
    assert not on(alarm, seen, 2 * HOUR + alarm["EvaluationPeriods"] + 2)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """The names of all that the janitor publishes in each run."""
    monkeypatch.setattr(runtime, "settings", lambda: SimpleNamespace(environment="dev", region="eu-west-1"))
    janitor.report(Told(), dict.fromkeys(("Heartbeat", "PeerUnanswered", "ClockAheadSeconds", "Unchecked"), 0))
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    return {metric["Name"] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}


def test_there_is_an_alarm_on_whatever_the_janitor_measures(stack: Resolved, measured: set[str]) -> None:
    alarms = [
        alarm for alarm in stack.of_type("AWS::CloudWatch::Alarm").values() if alarm.get("Namespace") == "Payments"
    ]
    assert {alarm["MetricName"] for alarm in alarms} == measured
    own = [{"Name": "Environment", "Value": "dev"}, {"Name": "Region", "Value": stack.region}]
    assert all(alarm["Dimensions"] == own for alarm in alarms)


def test_and_the_dashboard_shows_it_for_each_region(
    spanning: Resolved, measured: set[str], regions: tuple[str, ...]
) -> None:
    (board,) = spanning.of_type("AWS::CloudWatch::Dashboard").values()
    charts = [
        metric for widget in json.loads(board["DashboardBody"])["widgets"] for metric in widget["properties"]["metrics"]
    ]
    shown = {(name, options["region"]) for namespace, name, *_, options in charts if namespace == "Payments"}
    assert shown >= {(name, region) for name in measured - {"Heartbeat"} for region in regions}


@pytest.mark.parametrize("every", [1, 2, 3, 4, 5])
def test_no_alarm_waits_for_data_points_between_two_runs(every: int) -> None:
    """What is missing is not breaching: an alarm that needs one a minute would never fire where the janitor runs every
    two."""
    settings = load(DEFAULT_FILE, {})
    silent = max(settings.alarms.janitor_silent_minutes, 3 * every)
    template = regional_template(
        settings._replace(
            janitor=settings.janitor._replace(every_minutes=every),
            alarms=settings.alarms._replace(janitor_silent_minutes=silent),
        )
    ).to_dict()
    told = [each["Properties"] for each in template["Resources"].values() if each["Type"] == "AWS::CloudWatch::Alarm"]
    told = [alarm for alarm in told if alarm.get("Namespace") == "Payments"]
    assert {alarm["Period"] for alarm in told} == {60 * every}
    backlog = next(alarm for alarm in told if alarm["MetricName"] == "Backlog")
    assert 300 <= backlog["Period"] * backlog["EvaluationPeriods"] < 300 + 60 * every
