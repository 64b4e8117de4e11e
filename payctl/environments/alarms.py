"""The environment's alarms, by Region."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from payctl.cloud import together
from payctl.environment import Environment
from stacksets.operation import Guard

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StateValueType


def firing(environment: Environment, region: str) -> frozenset[str]:
    """The names of the environment's alarms that fire in a Region. Read only."""
    return _in_state(environment, region, "ALARM")


def guard(environment: Environment) -> Guard:
    """Stops an update once an alarm that was quiet before fires in a Region that has it.

    An alarm that the update itself makes, or that had no data yet, says nothing of the update.
    """
    quiet = together(lambda region: _in_state(environment, region, "OK"), environment.regions)

    def watch(finished: Sequence[str]) -> str:
        for region in finished:
            if new := sorted(firing(environment, region) & quiet[region]):
                return f"alarm {new[0]} fires in {region}, which has the update"
        return ""

    return watch


def _in_state(environment: Environment, region: str, state: "StateValueType") -> frozenset[str]:
    suffix = environment.names.alarm_suffix(region)
    pages = (
        environment.cloud.cloudwatch(region)
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix="payment-", StateValue=state)
    )
    return frozenset(
        alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"].endswith(suffix)
    )
