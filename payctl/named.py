"""What a template names, and whether an account has something of that name already. Read only."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from botocore.exceptions import ClientError

from builder.lint.evaluate import Evaluator, UnresolvedError
from payctl.cloud import Cloud
from stacksets.errors import code_of

Properties = Mapping[str, Any]

ABSENT: Final = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchEntity",
        "NotFound",
        "NotFoundException",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "StateMachineDoesNotExist",
    }
)
FORBIDDEN: Final = frozenset({"403", "AccessDenied"})


class Kind(NamedTuple):
    """A type of resource that has a name: what people call it, the property, the service, and how to look for it. The
    look answers whether there is one, or ends with an error that says that there is none."""

    noun: str
    name: str
    service: str
    look: Callable[[Any, str, Properties], object]


def _bucket(api: Any, name: str, _: Properties) -> object:
    try:
        return api.head_bucket(Bucket=name)
    except ClientError as error:
        if code_of(error) in FORBIDDEN:
            return True  # somebody else's: taken all the same
        raise


def _log_group(api: Any, name: str, _: Properties) -> bool:
    pages = api.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    return any(group["logGroupName"] == name for page in pages for group in page["logGroups"])


def _alias(api: Any, name: str, _: Properties) -> bool:
    pages = api.get_paginator("list_aliases").paginate()
    return any(alias["AliasName"] == name for page in pages for alias in page["Aliases"])


def _topic(api: Any, name: str, properties: Properties) -> object:
    return api.get_topic_attributes(TopicArn=f"arn:aws:sns:{properties['Region']}:{properties['Account']}:{name}")


def _workflow(api: Any, name: str, properties: Properties) -> object:
    machine = f"arn:aws:states:{properties['Region']}:{properties['Account']}:stateMachine:{name}"
    return api.describe_state_machine(stateMachineArn=machine)


def _rule(api: Any, name: str, properties: Properties) -> object:
    return api.describe_rule(Name=name, EventBusName=properties.get("EventBusName", "default"))


def _record(api: Any, name: str, properties: Properties) -> bool:
    """Records of one name and type live side by side as long as each has an identifier of its own."""
    found = api.list_resource_record_sets(
        HostedZoneId=properties["HostedZoneId"], StartRecordName=name, StartRecordType=properties["Type"]
    )["ResourceRecordSets"]
    return any(
        (each["Name"].rstrip("."), each["Type"]) == (name.rstrip("."), properties["Type"])
        and each.get("SetIdentifier") in (None, properties.get("SetIdentifier"))
        for each in found
    )


KINDS: Final[Mapping[str, Kind]] = {
    "AWS::ApiGateway::DomainName": Kind(
        "domain name", "DomainName", "apigateway", lambda api, name, _: api.get_domain_name(domainName=name)
    ),
    "AWS::CloudWatch::Alarm": Kind(
        "alarm", "AlarmName", "cloudwatch", lambda api, name, _: api.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    ),
    "AWS::CloudWatch::Dashboard": Kind(
        "dashboard", "DashboardName", "cloudwatch", lambda api, name, _: api.get_dashboard(DashboardName=name)
    ),
    "AWS::DynamoDB::GlobalTable": Kind(
        "table", "TableName", "dynamodb", lambda api, name, _: api.describe_table(TableName=name)
    ),
    "AWS::DynamoDB::Table": Kind(
        "table", "TableName", "dynamodb", lambda api, name, _: api.describe_table(TableName=name)
    ),
    "AWS::Events::Archive": Kind(
        "archive", "ArchiveName", "events", lambda api, name, _: api.describe_archive(ArchiveName=name)
    ),
    "AWS::Events::EventBus": Kind(
        "event bus", "Name", "events", lambda api, name, _: api.describe_event_bus(Name=name)
    ),
    "AWS::Events::Rule": Kind("rule", "Name", "events", _rule),
    "AWS::IAM::Role": Kind("role", "RoleName", "iam", lambda api, name, _: api.get_role(RoleName=name)),
    "AWS::KMS::Alias": Kind("key alias", "AliasName", "kms", _alias),
    "AWS::Lambda::Function": Kind(
        "function", "FunctionName", "lambda", lambda api, name, _: api.get_function_configuration(FunctionName=name)
    ),
    "AWS::Logs::LogGroup": Kind("log group", "LogGroupName", "logs", _log_group),
    "AWS::Route53::RecordSet": Kind("DNS record", "Name", "route53", _record),
    "AWS::S3::Bucket": Kind("bucket", "BucketName", "s3", _bucket),
    "AWS::SNS::Topic": Kind("topic", "TopicName", "sns", _topic),
    "AWS::SQS::Queue": Kind("queue", "QueueName", "sqs", lambda api, name, _: api.get_queue_url(QueueName=name)),
    "AWS::StepFunctions::StateMachine": Kind("workflow", "StateMachineName", "stepfunctions", _workflow),
}
# Its replicas have its name in the other Regions.
EVERYWHERE: Final = ("AWS::DynamoDB::GlobalTable",)
# What looks want to know beside the name.
BESIDE: Final = ("EventBusName", "HostedZoneId", "SetIdentifier", "Type")


def taken(
    cloud: Cloud,
    region: str,
    template: Mapping[str, Any],
    parameters: Mapping[str, str],
    *,
    held: Collection[str] = (),
    kinds: Collection[str] = tuple(KINDS),
) -> Iterator[str]:
    """What there is already of the names that a stack with this template would want in a Region, besides the resources
    that it holds, by logical id."""
    evaluator = Evaluator(template, region, parameters)
    evaluator.parameters["AWS::AccountId"] = cloud.account
    for logical_id, body in template.get("Resources", {}).items():
        if body.get("Type") not in kinds or logical_id in held:
            continue
        kind, properties = KINDS[body["Type"]], body.get("Properties", {})
        wanted = [name for name in (kind.name, *BESIDE) if name in properties]
        try:
            there = evaluator.holds(body.get("Condition"))
            named = {name: evaluator.value(properties[name]) for name in wanted} if there else {}
        except UnresolvedError:
            continue  # the lint says so
        if kind.name in named and _exists(cloud, region, kind, named):
            yield f"{kind.noun} {named[kind.name]}"


def _exists(cloud: Cloud, region: str, kind: Kind, properties: Properties) -> bool:
    api = cloud.target_client(kind.service, region)
    try:
        return bool(kind.look(api, properties[kind.name], {**properties, "Region": region, "Account": cloud.account}))
    except ClientError as error:
        if code_of(error) not in ABSENT:
            raise
        return False
