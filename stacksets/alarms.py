"""The environment's alarms, by Region."""

from collections.abc import Sequence

from stacksets.cloud import together
from stacksets.environment import Environment
from stacksets.operation import Guard


def firing(environment: Environment, region: str) -> frozenset[str]:
    """The names of the environment's alarms that fire in a Region. Read only."""
    suffix = environment.names.alarm_suffix(region)
    pages = (
        environment.cloud.cloudwatch(region)
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix="payment-", StateValue="ALARM")
    )
    return frozenset(
        alarm["AlarmName"] for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"].endswith(suffix)
    )


def guard(environment: Environment) -> Guard:
    """Stops an update once an alarm fires in a Region that has it, and that did not fire before."""
    before = together(lambda region: firing(environment, region), environment.regions)

    def watch(finished: Sequence[str]) -> str:
        for region in finished:
            if new := sorted(firing(environment, region) - before[region]):
                return f"alarm {new[0]} fires in {region}, which has the update"
        return ""

    return watch
