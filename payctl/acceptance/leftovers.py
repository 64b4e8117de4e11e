"""What bears the name of a throwaway environment: found after its end, and removed by `payctl accept --clean`."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from payctl.cloud import Cloud
from payctl.environment import Environment
from payctl.environments import destroy

PREFIX: Final = "accept-"
SUFFIX: Final = re.compile(rf"{PREFIX}[a-z0-9]{{1,9}}")
TAG: Final = "Acceptance"  # the StackSet has it: what `--clean` removes was made by `payctl accept`
# By service: the operation that lists, the member of its answer, and the name in each entry ("": the entry itself).
LISTS: Final = (
    ("cloudformation", "list_stacks", "StackSummaries", "StackName"),
    ("dynamodb", "list_tables", "TableNames", ""),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("stepfunctions", "list_state_machines", "stateMachines", "name"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("events", "list_rules", "Rules", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("apigateway", "get_rest_apis", "items", "name"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("iam", "list_roles", "Roles", "RoleName"),
)
WORLDWIDE: Final = ("s3", "iam")


@dataclass(frozen=True)
class Left:
    """One thing that is left."""

    region: str
    service: str
    name: str

    def __str__(self) -> str:
        return f"{self.region}: {self.service} {self.name}"


def find(environment: Environment, suffix: str = "") -> tuple[Left, ...]:
    """Everything with the environment's name, in every Region. Read only."""
    cloud, wanted = environment.cloud, suffix or environment.settings.environment
    name = re.escape(wanted)
    mine = re.compile(rf"payment.*-{name}(?![a-z0-9-])|payment-receipts-.*-{name}-\d+|StackSet-payments-{name}-")
    return tuple(left for left in _everything(cloud, environment.home) if mine.search(left.name))


def execution_logs(environment: Environment, region: str, api: str) -> list[str]:
    """The execution log groups of an API. Read only."""
    groups = environment.cloud.logs(region).describe_log_groups(
        logGroupNamePrefix=f"API-Gateway-Execution-Logs_{api}/"
    )["logGroups"]
    return [group["logGroupName"] for group in groups]


def suffixes(environment: Environment) -> tuple[str, ...]:
    """The throwaway environments of which something is left, whatever became of them. Read only."""
    names = [left.name for left in _everything(environment.cloud, environment.home)]
    pages = environment.cloud.stack_sets.get_paginator("list_stack_sets").paginate(Status="ACTIVE")
    names += [f"{each['StackSetName']}" for page in pages for each in page["Summaries"]]
    found = {match[0] for name in names if name and "payment" in name for match in [SUFFIX.search(name)] if match}
    return tuple(sorted(found))


def belongs(environment: Environment) -> bool:
    """Whether the environment was made by `payctl accept`: its StackSet or global stack says so, or neither exists."""
    survey = environment.survey()
    tags = [each.tags for each in (survey.stack_set, survey.global_stack) if each and each.tags]
    return all(TAG in each for each in tags)


def exists(environment: Environment) -> bool:
    """Whether there is an environment of this name, or something of it."""
    survey = environment.survey()
    return survey.stack_set is not None or not survey.global_stack.status.absent or bool(find(environment))


def remove(environment: Environment) -> tuple[Left, ...]:
    """Destroy the environment with its payments, then whatever is left of it. Returns what could not be removed."""
    destroy.destroy(environment, destroy.Options(delete_data=True, discard_open=True))
    for left in find(environment):
        with suppress(ClientError):
            _delete(environment.cloud, left)
    return find(environment)


def _everything(cloud: Cloud, home: str) -> Iterator[Left]:
    def listed(region: str) -> list[Left]:
        return [
            Left(region, service, name)
            for service, operation, member, key in LISTS
            if region == home or service not in WORLDWIDE
            for name in _names(cloud.target_client(service, region), operation, member, key)
        ]

    for found in cloud.everywhere(listed).values():
        yield from found


def _names(client: Any, operation: str, member: str, key: str) -> Iterable[str]:
    pages = (
        client.get_paginator(operation).paginate() if client.can_paginate(operation) else [getattr(client, operation)()]
    )
    for page in pages:
        for each in page.get(member, []):
            if not (isinstance(each, dict) and each.get("StackStatus") == "DELETE_COMPLETE"):
                yield each[key] if key else each


def _delete(cloud: Cloud, left: Left) -> None:
    """Delete what a run may leave beside its stacks: a table, a queue, a log group, an empty bucket."""
    client = cloud.target_client(left.service, left.region)
    if left.service == "dynamodb":
        client.delete_table(TableName=left.name)
        client.get_waiter("table_not_exists").wait(TableName=left.name)
    elif left.service == "sqs":
        client.delete_queue(QueueUrl=left.name)
    elif left.service == "logs":
        client.delete_log_group(logGroupName=left.name)
    elif left.service == "s3":
        client.delete_bucket(Bucket=left.name)
