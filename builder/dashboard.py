"""One dashboard for all Regions, kept in the home Region (docs/design.md, "The dashboard")."""

import json
from typing import Any

from troposphere import Sub, Template
from troposphere.cloudwatch import Dashboard

from builder.names import API, DASHBOARD, DEAD_LETTERS, INBOX, PROCESSOR, TABLE, WORKFLOW
from builder.settings import Settings

OUTCOMES = ("SETTLED", "DECLINED", "PARKED")
WIDTH, HEIGHT, COLUMNS = 8, 6, 3


def add_dashboard(template: Template, settings: Settings) -> Dashboard:
    """Three widgets a row, a line a Region in each."""
    charts = [*function_charts(settings), *table_charts(settings), *workflow_charts(settings), *api_charts(settings)]
    charts += [*queue_charts(settings), *business_charts(settings)]
    widgets = [
        {
            "type": "metric",
            "x": number % COLUMNS * WIDTH,
            "y": number // COLUMNS * HEIGHT,
            "width": WIDTH,
            "height": HEIGHT,
            "properties": {"region": settings.regions[0], "view": "timeSeries", "period": 60, **chart},
        }
        for number, chart in enumerate(charts)
    ]
    return template.add_resource(
        Dashboard(
            "Dashboard",
            DashboardName=Sub(DASHBOARD),
            DashboardBody=Sub(json.dumps({"start": "-PT3H", "widgets": widgets}, separators=(",", ":"))),
        )
    )


def function_charts(settings: Settings) -> list[dict[str, Any]]:
    """Invocations, errors, duration and throttles of the processor."""
    return [
        _chart(
            f"Processor: {metric.lower()}",
            [
                ["AWS/Lambda", metric, "FunctionName", _in(PROCESSOR, region), _line(region)]
                for region in settings.regions
            ],
            statistic,
        )
        for metric, statistic in (("Invocations", "Sum"), ("Errors", "Sum"), ("Duration", "p99"), ("Throttles", "Sum"))
    ]


def table_charts(settings: Settings) -> list[dict[str, Any]]:
    """Capacity of every replica and how late records arrive."""
    charts = [
        _chart(
            f"Table: {word}",
            [["AWS/DynamoDB", metric, "TableName", TABLE, _line(region)] for region in settings.regions],
            "Sum",
        )
        for metric, word in (
            ("ConsumedReadCapacityUnits", "read units"),
            ("ConsumedWriteCapacityUnits", "write units"),
        )
    ]
    pairs = [(source, target) for source in settings.regions for target in settings.regions if source != target]
    late = [
        [
            "AWS/DynamoDB",
            "ReplicationLatency",
            "TableName",
            TABLE,
            "ReceivingRegion",
            target,
            {"region": source, "label": f"{source} to {target}"},
        ]
        for source, target in pairs
    ]
    return [*charts, _chart("Table: replication latency, ms", late, "Average")]


def workflow_charts(settings: Settings) -> list[dict[str, Any]]:
    """Executions by how they ended."""
    return [
        _chart(
            f"Workflow: {metric.removeprefix('Executions').lower()}",
            [
                [
                    "AWS/States",
                    metric,
                    "StateMachineArn",
                    f"arn:${{AWS::Partition}}:states:{region}:${{AWS::AccountId}}:stateMachine:{_in(WORKFLOW, region)}",
                    _line(region),
                ]
                for region in settings.regions
            ],
            "Sum",
        )
        for metric in ("ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed")
    ]


def api_charts(settings: Settings) -> list[dict[str, Any]]:
    """Latency and refusals of the API."""
    return [
        _chart(
            f"API: {word}",
            [["AWS/ApiGateway", metric, "ApiName", API, "Stage", "prod", _line(region)] for region in settings.regions],
            statistic,
        )
        for metric, word, statistic in (
            ("Latency", "latency p99, ms", "p99"),
            ("4XXError", "4xx", "Sum"),
            ("5XXError", "5xx", "Sum"),
        )
    ]


def queue_charts(settings: Settings) -> list[dict[str, Any]]:
    """What waits for a person."""
    metric = "ApproximateNumberOfMessagesVisible"
    dead = [["AWS/SQS", metric, "QueueName", _in(DEAD_LETTERS, region), _line(region)] for region in settings.regions]
    inbox = [["AWS/SQS", metric, "QueueName", INBOX, {"region": "${AWS::Region}", "label": "inbox"}]]
    return [_chart("Dead letters", dead, "Maximum"), _chart("Alerts in the inbox", inbox, "Maximum")]


def business_charts(settings: Settings) -> list[dict[str, Any]]:
    """Payments by outcome, amounts, and what the janitors see."""
    outcomes = [
        [
            "Payments",
            "Payments",
            "Environment",
            "${EnvironmentSuffix}",
            "Region",
            region,
            "Outcome",
            outcome,
            {"region": region, "label": f"{region} {outcome}"},
        ]
        for region in settings.regions
        for outcome in OUTCOMES
    ]
    return [
        _chart("Payments by outcome", outcomes, "Sum"),
        _chart("Amounts settled, all currencies", _own("Amount", settings), "Sum"),
        _chart("Oldest overdue payment, s", _own("OldestOverdueSeconds", settings), "Maximum"),
        _chart("Cells that the janitor left over", _own("Backlog", settings), "Sum"),
        _chart("The oldest of them, s", _own("BacklogAgeSeconds", settings), "Maximum"),
        _chart("Parked payments", _own("Parked", settings), "Maximum"),
        _chart("Conflicting results", _own("ResultConflict", settings), "Maximum"),
        _chart("Peers' registers unanswered", _own("PeerUnanswered", settings), "Maximum"),
        _chart("A peer's clock ahead, s", _own("ClockAheadSeconds", settings), "Maximum"),
        _chart("Own register unchecked", _own("Unchecked", settings), "Maximum"),
    ]


def _own(metric: str, settings: Settings) -> list[list[Any]]:
    return [
        ["Payments", metric, "Environment", "${EnvironmentSuffix}", "Region", region, _line(region)]
        for region in settings.regions
    ]


def _chart(title: str, metrics: list[list[Any]], statistic: str) -> dict[str, Any]:
    return {"title": title, "metrics": metrics, "stat": statistic}


def _line(region: str) -> dict[str, str]:
    return {"region": region, "label": region}


def _in(pattern: str, region: str) -> str:
    return pattern.replace("${AWS::Region}", region)
