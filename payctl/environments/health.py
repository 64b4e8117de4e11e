"""Whether an environment is well: its alarms, while an update goes on and afterwards, and what every Region answers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from payctl import signed_http
from payctl.environment import Environment
from stacksets.errors import Cause, RegionsFailedError
from stacksets.operation import Guard

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StateValueType

# A new API's address takes a while to reach every name server.
LIMIT = 90.0


def firing(environment: Environment, region: str) -> frozenset[str]:
    """The names of the environment's alarms that fire in a Region. Read only."""
    return _alarms_in(environment, region, "ALARM")


def guard(environment: Environment) -> Guard:
    """Stops an update once an alarm that was quiet before fires in a Region that has it.

    An alarm that the update itself makes, or that had no data yet, says nothing of the update.
    """
    quiet = environment.cloud.everywhere(lambda region: _alarms_in(environment, region, "OK"))

    def watch(finished: Sequence[str]) -> str:
        for region in finished:
            if new := sorted(firing(environment, region) & quiet[region]):
                return f"alarm {new[0]} fires in {region}, which has the update"
        return ""

    return watch


def _alarms_in(environment: Environment, region: str, state: "StateValueType") -> frozenset[str]:
    suffix = environment.names.alarm_suffix(region)
    pages = (
        environment.cloud.cloudwatch(region)
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix="payment-", StateValue=state)
    )
    return frozenset(
        alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"].endswith(suffix)
    )


def health(environment: Environment) -> dict[str, str]:
    """Ask every Region's GET /health until it answers 200; raises RegionsFailedError for those that do not."""
    outputs = environment.outputs()

    def ask(region: str) -> signed_http.Answer:
        url = f"{signed_http.address(environment.cloud, region, outputs[region])}/health"
        for _ in environment.pace.ticks(LIMIT):
            answer = signed_http.send("GET", url)
            if answer.status == 200:
                break
            environment.report.line(region, "WAITING", _in_words(answer))
        environment.report.line(region, "HEALTHY" if answer.status == 200 else "FAILED", _in_words(answer))
        return answer

    answers = environment.cloud.everywhere(ask)
    sick = [
        Cause(region=region, resource="GET /health", reason=_in_words(answer), remedy="see the function's log group")
        for region, answer in answers.items()
        if answer.status != 200
    ]
    if sick:
        where = ", ".join(cause.region for cause in sick)
        raise RegionsFailedError(f"deployed, but not healthy: {where}", sick)
    return dict.fromkeys(answers, "healthy")


def _in_words(answer: signed_http.Answer) -> str:
    if not answer.status:
        return str(answer.body)
    detail = answer.body.get("detail", "") if isinstance(answer.body, Mapping) else ""
    return f"{answer.status} {detail}".strip()
