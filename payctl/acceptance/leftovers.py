"""What bears the name of a throwaway environment: found after its end, and removed by `payctl accept --clean`."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from builder import names
from payctl.cloud import Cloud
from payctl.environment import Environment
from payctl.environments import destroy

PREFIX: Final = "accept-"
SUFFIX: Final = re.compile(rf"{PREFIX}[a-z0-9]{{1,9}}")
PROBE: Final = "payment-probe-${EnvironmentSuffix}"
"""A table of the checks' own."""
NAMES: Final = (
    *names.LIMITS,
    names.STACK_SET,
    names.GLOBAL_STACK,
    f"StackSet-{names.STACK_SET}-${{Id}}",
    f"payment-${{Kind}}{names.ALARM_SUFFIX}",
    PROBE,
)
"""What an environment's things are called."""
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

    @property
    def leaf(self) -> str:
        """The name alone, of an ARN, a URL or a path."""
        return re.split("[/:]", self.name)[-1]


def find(environment: Environment, suffix: str = "") -> tuple[Left, ...]:
    """Everything with the environment's name, in every Region. Read only."""
    mine = named(re.escape(suffix or environment.settings.environment), environment.regions)
    return tuple(left for left in _everything(environment.cloud, environment.home) if mine.fullmatch(left.leaf))


def named(environment: str, regions: Iterable[str]) -> re.Pattern[str]:
    """The names of environments whose own name is of this pattern, which is the only group. Whole names only: what is
    called payments-my-accept-1 is of another one."""
    region = f"(?:{'|'.join(map(re.escape, regions))})"
    parts = {
        "EnvironmentSuffix": f"({environment})",
        "AWS::Region": region,
        "Peer": region,
        "AWS::AccountId": r"\d{12}",
        "Kind": "[a-z-]+",
        "Id": "[0-9a-f-]+",
    }
    patterns = {re.escape(name.rpartition("/")[2]) for name in NAMES if "${EnvironmentSuffix}" in name}
    for variable, part in parts.items():
        patterns = {pattern.replace(re.escape(f"${{{variable}}}"), part) for pattern in patterns}
    return re.compile("|".join(sorted(patterns)))


def execution_logs(environment: Environment, region: str, api: str) -> list[str]:
    """The execution log groups of an API. Read only."""
    groups = environment.cloud.logs(region).describe_log_groups(
        logGroupNamePrefix=f"API-Gateway-Execution-Logs_{api}/"
    )["logGroups"]
    return [group["logGroupName"] for group in groups]


def suffixes(environment: Environment) -> tuple[str, ...]:
    """The throwaway environments of which something is left, whatever became of them. Read only."""
    throwaway = named(SUFFIX.pattern, environment.regions)
    leaves = [left.leaf for left in _everything(environment.cloud, environment.home)]
    pages = environment.cloud.stack_sets.get_paginator("list_stack_sets").paginate(Status="ACTIVE")
    leaves += [f"{each['StackSetName']}" for page in pages for each in page["Summaries"]]
    matches = [match for leaf in leaves if (match := throwaway.fullmatch(leaf))]
    return tuple(sorted({match[match.lastindex or 0] for match in matches}))


def belongs(environment: Environment, *, remembered: bool) -> bool:
    """Whether the environment was made by `payctl accept`: its StackSet and global stack say so; where neither exists,
    whether a run here is `remembered`."""
    survey = environment.survey()
    there = [survey.global_stack.tags] if not survey.global_stack.status.absent else []
    if survey.stack_set:
        there.append(survey.stack_set.tags)
    return all(TAG in tags for tags in there) if there else remembered


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
