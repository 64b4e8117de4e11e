"""What an alarm fires at, as docs/operations.md, "Alarms", and docs/settings.md promise it: an alarm that never fires
looks like one that has nothing to tell."""

from pathlib import Path

import pytest

from builder.lint.evaluate import Resolved

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ABOVE, BELOW = "GreaterThanThreshold", "LessThanThreshold"
FIRES = {
    "ApiErrors": (ABOVE, 0, "2 of 2", 300),
    "Backlog": (ABOVE, 10_000, "5 of 5", 60),
    "BacklogAge": (ABOVE, 600, "1 of 10", 60),
    "ClockAhead": (ABOVE, 30, "1 of 10", 60),
    "DeadLetters": (ABOVE, 0, "1 of 1", 300),
    "FailedEvents": (ABOVE, 0, "1 of 3", 300),
    "JanitorSilent": (BELOW, 1, "5 of 5", 60),
    "LambdaErrors": (ABOVE, 0.1, "2 of 2", 300),
    "LambdaThrottles": (ABOVE, 0, "2 of 2", 300),
    "OutcomeErrors": (ABOVE, 0, "2 of 2", 300),
    "OutcomesLate": (ABOVE, 300_000, "1 of 1", 300),
    "PaymentsOverdue": (ABOVE, 300, "1 of 10", 60),
    "PaymentsParked": (ABOVE, 0, "1 of 10", 60),
    "PeerUnanswered": (ABOVE, 0, "3 of 3", 60),
    "ReceiptReplication": (ABOVE, 900, "3 of 3", 300),
    "ReceiptsFailed": (ABOVE, 0, "1 of 3", 300),
    "ReceiptsPending": (ABOVE, 1000, "3 of 3", 300),
    "RecordsThrottled": (ABOVE, 0, "1 of 3", 300),
    "RegisterThrottled": (ABOVE, 0, "1 of 3", 300),
    "RegisterUnchecked": (ABOVE, 0, "3 of 3", 60),
    "ResultConflict": (ABOVE, 0, "1 of 10", 60),
    "TableReplication": (ABOVE, 30_000, "1 of 3", 300),
    "WorkflowFailed": (ABOVE, 0, "1 of 1", 300),
    "WorkflowThrottled": (ABOVE, 0, "1 of 1", 300),
    "WorkflowTimedOut": (ABOVE, 0, "1 of 1", 300),
}
"""By alarm: beyond what, in how many of the latest periods, of so many seconds. With the settings as delivered."""
SAID = {
    "backlog": ("for 5 minutes", "over 10,000 cells"),
    "backlog-age": ("for more than 10 minutes",),
    "clock-ahead": ("more than 30 s",),
    "janitor-silent": ("for five minutes",),
    "payments-overdue": ("for 5 minutes",),
    "register-unchecked": ("for 3 minutes",),
}
"""The numbers above that operators read."""


def test_every_alarm_fires_at_what_is_promised(stack: Resolved) -> None:
    found = {}
    for name, alarm in stack.of_type("AWS::CloudWatch::Alarm").items():
        (period,) = {alarm.get("Period")} - {None} or {
            query["MetricStat"]["Period"] for query in alarm["Metrics"] if "MetricStat" in query
        }
        periods = alarm["EvaluationPeriods"]
        within = f"{alarm.get('DatapointsToAlarm', periods)} of {periods}"
        found[name.removesuffix("Alarm")] = (alarm["ComparisonOperator"], alarm["Threshold"], within, period)
    assert found == FIRES


@pytest.mark.parametrize("name", SAID)
def test_operators_read_the_same_numbers(name: str) -> None:
    (row,) = (line for line in OPERATIONS.read_text().splitlines() if line.startswith(f"| `{name}` |"))
    assert all(words in row for words in SAID[name])
