"""An alarm looks at its own environment's metrics only: another's traffic in the same Region never fires it."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.templates.conftest import KEY_ARNS, REGIONS, regional

# The dimensions under which each service publishes what the alarms watch (its page of metrics in the AWS guides).
PUBLISHED = {
    "AWS/ApiGateway": [{"ApiName", "Stage"}],
    "AWS/DynamoDB": [{"ReceivingRegion", "TableName"}, {"TableName"}, {"GlobalSecondaryIndexName", "TableName"}],
    "AWS/Events": [{"RuleName"}, {"EventBusName", "RuleName"}],
    "AWS/Lambda": [{"FunctionName"}],
    "AWS/S3": [{"DestinationBucket", "RuleId", "SourceBucket"}],
    "AWS/SQS": [{"QueueName"}],
    "AWS/States": [{"StateMachineArn"}],
    "Payments": [{"Environment", "Region"}],
}
Metric = tuple[str, str, tuple[tuple[str, str], ...]]


def watched(templates: Mapping[str, Any], environment: str, region: str) -> Iterator[Metric]:
    stack = regional(templates, EnvironmentSuffix=environment, KeyArns=KEY_ARNS)[region]
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        queries = [query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query]
        for metric in queries or [alarm]:
            dimensions = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
            yield metric["Namespace"], metric["MetricName"], tuple(sorted(dimensions.items()))


@pytest.mark.parametrize("region", REGIONS)
def test_every_metric_is_of_one_environment(templates: Mapping[str, Any], region: str) -> None:
    fresh, busy = set(watched(templates, "fresh", region)), set(watched(templates, "busy", region))
    assert len(fresh) > 20
    assert not fresh & busy
    for namespace, metric, dimensions in fresh:
        assert {name for name, _ in dimensions} in PUBLISHED[namespace], metric
        assert any("fresh" in value for _, value in dimensions), (metric, dimensions)
