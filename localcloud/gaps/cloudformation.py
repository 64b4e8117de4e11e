"""CloudFormation: pseudo parameters in conditions, what change sets show, certificates and health checks.

The emulator leaves pseudo parameters unresolved in conditions; its change sets list resources that are off, call a
replacement of most types merely possible, and show no values of properties. It has no `AWS::Route53::HealthCheck` and
issues every certificate at once; here, as on AWS, a certificate is issued once its record is in a hosted zone that the
internet can see: a public one, to which the parent zone points. It makes a queue, a topic and others over one of the
same name, which here, as on AWS, the stack does not get. It forgets what a rollback could not delete, which here, as on
AWS, stays in the stack. It imports no managed policy.
"""

import json
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, Final

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import acm, cloudwatch_logs, eventbridge, iam, kms, route53, sns, sqs, stepfunctions
from ministack.services.cloudformation import _stacks, changesets, engine, handlers, provisioners, stacks
from ministack.services.cloudformation.helpers import _esc, _p

from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.network import Network

# Which changed properties replace a resource: the `createOnlyProperties` of the types' public schemas (a test compares
# them), for the types that the emulator does not know.
REPLACING: Final[dict[str, tuple[str, ...]]] = {
    "AWS::ApiGateway::Account": (),
    "AWS::ApiGateway::BasePathMapping": ("BasePath", "DomainName"),
    "AWS::ApiGateway::Deployment": ("DeploymentCanarySettings", "RestApiId"),
    "AWS::ApiGateway::DomainName": ("DomainName",),
    "AWS::ApiGateway::GatewayResponse": ("ResponseType", "RestApiId"),
    "AWS::ApiGateway::Method": ("HttpMethod", "ResourceId", "RestApiId"),
    "AWS::ApiGateway::Model": ("ContentType", "Name", "RestApiId"),
    "AWS::ApiGateway::RequestValidator": ("Name", "RestApiId"),
    "AWS::ApiGateway::Resource": ("ParentId", "PathPart", "RestApiId"),
    "AWS::ApiGateway::RestApi": (),
    "AWS::ApiGateway::Stage": ("RestApiId", "StageName"),
    "AWS::CloudWatch::Alarm": ("AlarmName",),
    "AWS::CloudWatch::Dashboard": ("DashboardName",),
    "AWS::DynamoDB::GlobalTable": ("TableName",),
    "AWS::Events::Archive": ("ArchiveName", "SourceArn"),
    "AWS::Events::EventBus": ("Name",),
    "AWS::Events::Rule": ("Name",),
    "AWS::IAM::Policy": (),
    "AWS::KMS::Alias": ("AliasName",),
    "AWS::KMS::Key": (),
    "AWS::Lambda::EventInvokeConfig": ("FunctionName", "Qualifier"),
    "AWS::Lambda::EventSourceMapping": (
        "EventSourceArn",
        "SelfManagedEventSource",
        "StartingPosition",
        "StartingPositionTimestamp",
    ),
    "AWS::Lambda::Permission": (
        "Action",
        "EventSourceToken",
        "FunctionName",
        "FunctionUrlAuthType",
        "InvokedViaFunctionUrl",
        "Principal",
        "PrincipalOrgID",
        "SourceAccount",
        "SourceArn",
    ),
    "AWS::Logs::LogGroup": ("LogGroupName",),
    "AWS::Route53::RecordSet": ("HostedZoneId", "HostedZoneName"),
    "AWS::S3::Bucket": ("BucketName", "BucketNamePrefix", "BucketNamespace"),
    "AWS::S3::BucketPolicy": ("Bucket",),
    "AWS::SNS::Subscription": ("Endpoint", "Protocol", "TopicArn"),
    "AWS::SNS::TopicPolicy": (),
    "AWS::SQS::QueuePolicy": (),
}

# The name that a resource is given, by type, and whether there is such a thing already in this account and Region, for
# types of which the emulator's creation takes over what is there, or says so in words of its own.
TAKEN: Final[dict[str, tuple[str, Callable[[str], bool]]]] = {
    "AWS::Events::EventBus": ("Name", lambda name: name in eventbridge._event_buses),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        lambda name: f"arn:aws:iam::{get_account_id()}:policy/{name}" in iam._policies,
    ),
    "AWS::IAM::Role": ("RoleName", lambda name: name in iam._roles),
    "AWS::KMS::Alias": ("AliasName", lambda name: kms._alias_arn(name) in kms._aliases),
    "AWS::Logs::LogGroup": ("LogGroupName", lambda name: name in cloudwatch_logs._log_groups),
    "AWS::SNS::Topic": ("TopicName", lambda name: _arn("sns", name) in sns._topics),
    "AWS::SQS::Queue": ("QueueName", lambda name: name in sqs._queue_name_to_url),
    "AWS::StepFunctions::StateMachine": (
        "StateMachineName",
        lambda name: _arn("states", f"stateMachine:{name}") in stepfunctions._state_machines,
    ),
}

POLL_SECONDS: Final = 0.1
CHECK_TAGS: Final = 10
"""Of a health check (Route 53 API reference, ChangeTagsForResource)."""
CERTIFICATE: Final = "AWS::CertificateManager::Certificate"
PENDING: Final = "PENDING_VALIDATION"


def install(network: Network) -> None:
    """Wrap the evaluation of conditions, the comparison of templates and the creation of certificates and of what has a
    name; complete the tables of replacements and of resource types."""
    patching.wrap(engine, "_evaluate_conditions", _evaluate_conditions)
    patching.wrap(changesets, "_resolve_props_for_diff", _leave_out_what_is_off)
    patching.wrap(changesets, "_diff_resources", _with_values)
    describe = handlers._ACTION_HANDLERS["DescribeChangeSet"]
    handlers._ACTION_HANDLERS["DescribeChangeSet"] = partial(_show_values, describe)
    for kind, properties in REPLACING.items():
        provisioners._REPLACING_PROPERTIES.setdefault(kind, properties)
    patching.wrap(stacks, "_roll_back_operation", _keep_what_stays)
    patching.wrap(stacks, "_runs_on_worker_thread", lambda runs, kind: kind == CERTIFICATE or runs(kind))
    certificate = provisioners._RESOURCE_HANDLERS[CERTIFICATE]
    certificate["create"] = partial(_create_certificate, network, certificate["create"])
    provisioners._RESOURCE_HANDLERS["AWS::Route53::HealthCheck"] = {
        "create": _create_check,
        "update": _update_check,
        "delete": lambda physical_id, _properties: route53._health_checks.pop(physical_id, None),
    }
    provisioners._RESOURCE_HANDLERS["AWS::IAM::ManagedPolicy"]["import"] = _import_policy
    for kind in TAKEN:
        named = provisioners._RESOURCE_HANDLERS[kind]
        named["create"] = _create_unless_taken(kind, named["create"])


def _create_unless_taken(kind: str, create: Any) -> Any:
    """Refuse a name that is taken, before anything is made: the rollback leaves what is there alone."""
    name_property, taken = TAKEN[kind]

    @wraps(create)
    def checked(logical_id: str, properties: Properties, stack_name: str) -> Any:
        name = properties.get(name_property)
        if name and taken(name):
            identifier = json.dumps({f"/properties/{name_property}": name})
            said = f"Resource of type '{kind}' with identifier '{identifier}' already exists."
            request = f"(RequestToken: {new_uuid()}, HandlerErrorCode: AlreadyExists)"
            raise ValueError(f'Resource handler returned message: "{said}" {request}')
        return create(logical_id, properties, stack_name)

    return checked


def _import_policy(identifier: dict[str, str]) -> tuple[str, dict[str, Any]]:
    arn = identifier["PolicyArn"]
    if arn not in iam._policies:
        raise ValueError(f"Policy {arn} was not found.")
    return arn, {"PolicyArn": arn}


async def _keep_what_stays(roll_back: Any, name: str, stack_id: str, stack: dict[str, Any], *more: Any) -> None:
    """What a rollback could not delete is the stack's as before: deleting the stack tries that again."""
    held = dict(stack.get("_resources", {}))
    await roll_back(name, stack_id, stack, *more)
    for logical_id in held.keys() & stack.get("_rollback_failed", {}).keys():
        stack["_resources"].setdefault(logical_id, held[logical_id] | {"ResourceStatus": "DELETE_FAILED"})


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _evaluate_conditions(evaluate: Any, template: dict[str, Any], parameters: dict[str, Any]) -> dict[str, bool]:
    """The emulator's own evaluation, with the pseudo parameters' values.

    It stays the emulator's, not that of the lints: the local cloud judges a template independently of who wrote it.
    """
    pseudo = {
        "AWS::Region": get_region(),
        "AWS::AccountId": get_account_id(),
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
    }
    values = {name: {"Value": value, "NoEcho": False} for name, value in pseudo.items()}
    result: dict[str, bool] = evaluate(template, parameters | values)
    return result


def _leave_out_what_is_off(
    resolve: Any, template: dict[str, Any], parameters: dict[str, Any], *stack: str
) -> dict[str, Any]:
    """For a change set: a resource whose condition turns true is an Add, one that stays off is no change."""
    resolved: dict[str, Any] = resolve(template, parameters, *stack)
    conditions = engine._evaluate_conditions(template, parameters)
    present = {
        name: resource
        for name, resource in resolved.get("Resources", {}).items()
        if conditions.get(resource.get("Condition"), True)
    }
    return {**resolved, "Resources": present}


def _with_values(diff: Any, old: Properties, new: Properties, *more: Any, **options: Any) -> list[Properties]:
    """The changes with the values that CloudFormation shows where it is asked for them (API reference,
    ResourceTargetDefinition)."""
    changes: list[Properties] = diff(old, new, *more, **options)
    for change in changes:
        resource = change["ResourceChange"]["LogicalResourceId"]
        before, after = (each.get("Resources", {}).get(resource, {}).get("Properties") or {} for each in (old, new))
        for target in (detail["Target"] for detail in change["ResourceChange"].get("Details", [])):
            name = target.get("Name")
            if name and before.get(name) != after.get(name):
                target["Path"] = f"/Properties/{name}"
                target |= {
                    key: each[name] if isinstance(each[name], str) else json.dumps(each[name])
                    for key, each in (("BeforeValue", before), ("AfterValue", after))
                    if name in each
                }
    return changes


def _show_values(describe: Any, parameters: Properties) -> Any:
    """The emulator's answer, with the values of each target where they are asked for."""
    status, headers, body = describe(parameters)
    _, change_set = changesets._find_change_set(_p(parameters, "ChangeSetName"), _p(parameters, "StackName"))
    if not change_set or _p(parameters, "IncludePropertyValues") != "true":
        return status, headers, body
    targets = [
        detail["Target"]
        for change in change_set.get("Changes", [])
        for detail in change["ResourceChange"].get("Details", [])
    ]
    first, *rest = body.split(b"</Target>")
    for target, text in zip(targets, rest, strict=True):
        values = "".join(
            f"<{key}>{_esc(target[key])}</{key}>" for key in ("Path", "BeforeValue", "AfterValue") if key in target
        )
        first += values.encode() + b"</Target>" + text
    return status, headers, first


# --- DNS, certificates and health checks


def name_servers(network: Network, name: str) -> list[str]:
    """Who the internet is told to ask for a zone: the servers of its public hosted zone, unless it is not delegated."""
    zones = [zone for zone in list(route53._zones._data.values()) if zone["name"].rstrip(".") == name.rstrip(".")]
    public = any(not zone.get("private") for zone in zones)
    return list(route53._DEFAULT_NS) if public and name.rstrip(".") not in network.undelegated else []


def _create_certificate(
    network: Network, create: Any, logical_id: str, properties: Properties, stack_name: str
) -> tuple[str, dict[str, Any]]:
    """Wait for validation by DNS as long as the stack does (docs/aws.md, "Certificates wait for DNS")."""
    arn, attributes = create(logical_id, properties, stack_name)
    certificate = acm._certificates[arn]
    if certificate["ValidationMethod"] != "DNS":
        return arn, attributes
    _show(certificate, PENDING)
    for option in properties.get("DomainValidationOptions", []):
        _write_record(option.get("HostedZoneId", ""), certificate)
    while not _validated(network, certificate):
        stack = _stacks.get(stack_name) or {}
        if stack.get("_cancel_requested") or stack.get("StackStatus") not in (
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        ):
            acm._certificates.pop(arn, None)
            raise ValueError("Resource creation cancelled")
        time.sleep(POLL_SECONDS)
    _show(certificate, "ISSUED")
    return arn, attributes


def _show(certificate: dict[str, Any], status: str) -> None:
    certificate["Status"] = status
    for option in certificate["DomainValidationOptions"]:
        option["ValidationStatus"] = PENDING if status == PENDING else "SUCCESS"


def _write_record(zone_id: str, certificate: dict[str, Any]) -> None:
    """CloudFormation does this where it is given the zone, and never removes it."""
    zone_id = zone_id.rpartition("/")[2]
    with route53._lock:
        records = list(route53._records.get(zone_id, []))
        for option in certificate["DomainValidationOptions"] if zone_id in route53._records else ():
            record = option["ResourceRecord"]
            if all(each["Name"] != record["Name"] for each in records):
                values = {"TTL": "300", "ResourceRecords": [record["Value"]]}
                records.append({"Name": record["Name"], "Type": record["Type"], **values})
                route53._records[zone_id] = records


def _validated(network: Network, certificate: dict[str, Any]) -> bool:
    """Whether every record is where the internet finds it."""
    seen = {
        record["Name"]
        for (account, zone_id), zone in list(route53._zones._data.items())
        if not zone.get("private") and name_servers(network, zone["name"])
        for record in list(route53._records._data.get((account, zone_id), []))
    }
    return all(option["ResourceRecord"]["Name"] in seen for option in certificate["DomainValidationOptions"])


def _require_few_tags(properties: Properties, stack_name: str) -> None:
    """Those of the stack count too: CloudFormation hands them on (docs/aws.md, "Tags of a health check")."""
    given = [*properties.get("HealthCheckTags", []), *(_stacks.get(stack_name) or {}).get("Tags", [])]
    if len({tag["Key"] for tag in given}) > CHECK_TAGS:
        raise ValueError(f"A health check can have at most {CHECK_TAGS} tags (Service: Route53, Status Code: 400)")


def _create_check(_logical_id: str, properties: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
    _require_few_tags(properties, stack_name)
    check = str(new_uuid())
    route53._health_checks[check] = {
        "id": check,
        "caller_reference": check,
        "config": dict(properties["HealthCheckConfig"]),
        "version": 1,
    }
    return check, {"HealthCheckId": check}


def _update_check(physical_id: str, _old: Properties, new: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
    _require_few_tags(new, stack_name)
    check = route53._health_checks[physical_id]
    check["config"] = dict(new["HealthCheckConfig"])
    check["version"] += 1
    return physical_id, {"HealthCheckId": physical_id}
