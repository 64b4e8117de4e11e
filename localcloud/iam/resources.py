"""On which resource, and in which context, a handler's action falls: ARNs as in the Service Authorization Reference."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from localcloud.iam import context, documents

Properties = Mapping[str, Any]
Asked = Iterable[tuple[str, dict[str, Any]]]
NEW: Final = "new"  # stands for an id that the service will choose


@dataclass(frozen=True)
class Resource:
    """A resource of a stack, with its properties and those it had."""

    kind: str
    physical_id: str
    new: Properties
    old: Properties
    account: str
    region: str

    @property
    def key(self) -> str:
        """The customer key that the properties name."""
        sse = self.new.get("SSESpecification") or {}
        named = (
            sse.get("KMSMasterKeyId"),
            self.new.get("KmsKeyArn"),
            self.new.get("KmsKeyId"),
            self.new.get("KmsKeyIdentifier"),
            (self.new.get("EncryptionConfiguration") or {}).get("KmsKeyId"),
        )
        return next((str(key) for key in named if key), "")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def text(self, name: str, default: str = NEW) -> str:
        return str(self.new.get(name) or self.physical_id or default)

    def asked(self, action: str, operation: str) -> Asked:  # noqa: PLR0911 - a case a line
        """The resources of an action, each with its context; "*" for actions that have no resource type."""
        if action == "acm:RequestCertificate":
            return [("*", {"acm:DomainNames": [self.text("DomainName")]})]
        if action in NO_TYPE:
            return [("*", {})]
        if self.kind == "AWS::KMS::Key":
            return _on_key(self, action, operation)
        if by_kind := BY_KIND.get(self.kind):
            return by_kind(self, action)
        if action.startswith("apigateway:"):
            return _on_api(self, action, operation)
        if action == "cloudwatch:DescribeAlarms":
            return [(self.arn("cloudwatch", "alarm:*"), {})]
        if action in ("s3:GetObject", "s3:GetObjectVersion"):
            code = self.new.get("Code") or {}
            asked = "S3Bucket" in code and (action == "s3:GetObject" or "S3ObjectVersion" in code)
            return [(f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}", {})] if asked else []
        if action.startswith("iam:") and self.kind == "AWS::IAM::Policy":
            roles = [f"arn:aws:iam::{self.account}:role/{role}" for role in self.new.get("Roles", ())]
            return [(role, context.of_resource(action, role, self.account)) for role in roles]
        if action in context.BOUNDED and self.kind == "AWS::IAM::Role":
            # Created with its boundary, or given it before anything else.
            return [(target(action, self), {context.BOUNDARY: self.new.get("PermissionsBoundary")})]
        if action == "iam:CreateServiceLinkedRole":
            own = f"role/aws-service-role/{LINKED_ROLE}"
            return [(f"arn:aws:iam::{self.account}:{own}", {})] if self.kind == "AWS::ApiGateway::DomainName" else []
        if action.startswith("route53:") and action in ON_ZONE:
            names = {RECORD_NAMES: _records(self)} if action == "route53:ChangeResourceRecordSets" else {}
            return [(f"arn:aws:route53:::{ON_ZONE[action]}/{self.new.get('HostedZoneId') or _zone(self)}", names)]
        if action in ("acm:AddTagsToCertificate", "acm:RemoveTagsFromCertificate"):
            return _on_certificate(self, action)
        return [(target(action, self), {})]


LINKED_ROLE: Final = "ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway"
# Actions without a resource type, or called before there is anything to name.
NO_TYPE: Final = frozenset(
    {
        "acm:RequestCertificate",
        "kms:ListAliases",
        "logs:DescribeIndexPolicies",
        "logs:DescribeLogGroups",
        "logs:DescribeResourcePolicies",
        "route53:CreateHealthCheck",
        "route53:ListHostedZones",
        "sns:GetSubscriptionAttributes",
        "sns:SetSubscriptionAttributes",
        "sns:Unsubscribe",
    }
)
RECORD_NAMES: Final = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
ON_ZONE: Final = {
    "route53:ChangeResourceRecordSets": "hostedzone",
    "route53:GetChange": "change",
    "route53:GetHostedZone": "hostedzone",
    "route53:ListResourceRecordSets": "hostedzone",
}
# How a type's resources are named.
ARNS: Final[Mapping[str, Callable[[Resource], str]]] = {
    "AWS::CertificateManager::Certificate": lambda r: r.physical_id or r.arn("acm", f"certificate/{NEW}"),
    "AWS::CloudWatch::Alarm": lambda r: r.arn("cloudwatch", f"alarm:{r.text('AlarmName')}"),
    "AWS::DynamoDB::Table": lambda r: r.arn("dynamodb", f"table/{r.text('TableName')}"),
    "AWS::Events::Archive": lambda r: r.arn("events", f"archive/{r.text('ArchiveName')}"),
    "AWS::Events::EventBus": lambda r: r.arn("events", f"event-bus/{r.text('Name')}"),
    "AWS::Events::Rule": lambda r: r.arn("events", f"rule/{_bus(r)}{r.text('Name').rpartition('|')[2]}"),
    "AWS::IAM::Role": lambda r: f"arn:aws:iam::{r.account}:role/{r.text('RoleName')}",
    "AWS::Logs::LogGroup": lambda r: r.arn("logs", f"log-group:{r.text('LogGroupName')}"),
    "AWS::Route53::HealthCheck": lambda r: f"arn:aws:route53:::healthcheck/{r.physical_id or NEW}",
    "AWS::S3::Bucket": lambda r: f"arn:aws:s3:::{r.text('BucketName')}",
    "AWS::S3::BucketPolicy": lambda r: f"arn:aws:s3:::{r.text('Bucket')}",
    "AWS::SNS::Subscription": lambda r: str(r.new.get("TopicArn", "")),
    "AWS::SNS::Topic": lambda r: r.arn("sns", r.text("TopicName").rpartition(":")[2]),
    "AWS::SNS::TopicPolicy": lambda r: str((r.new.get("Topics") or [""])[0]),
    "AWS::SQS::Queue": lambda r: r.arn("sqs", r.text("QueueName").rpartition("/")[2]),
    "AWS::SQS::QueuePolicy": lambda r: r.arn("sqs", str((r.new.get("Queues") or [""])[0]).rpartition("/")[2]),
    "AWS::StepFunctions::StateMachine": lambda r: r.arn(
        "states", f"stateMachine:{r.text('StateMachineName').rpartition(':')[2]}"
    ),
}


def target(action: str, resource: Resource) -> str:
    """The ARN of the resource itself."""
    if resource.kind.startswith("AWS::Lambda::"):
        return _function(resource)
    name = ARNS.get(resource.kind)
    if name is None:
        raise NotImplementedError(
            f"{action} of {resource.kind} has no resource here: name it in localcloud/iam/resources.py"
        )
    return name(resource)


def passed_roles(resource: Resource) -> Asked:
    """The roles that a resource is given, and to which service. S3 is not known to name itself (docs/aws.md, "Passing
    roles")."""
    to = {
        "AWS::Lambda::Function": ("lambda.amazonaws.com", [resource.new.get("Role")]),
        "AWS::StepFunctions::StateMachine": ("states.amazonaws.com", [resource.new.get("RoleArn")]),
        "AWS::Events::Rule": (
            "events.amazonaws.com",
            [each.get("RoleArn") for each in resource.new.get("Targets") or []],
        ),
        "AWS::S3::Bucket": (None, [(resource.new.get("ReplicationConfiguration") or {}).get("Role")]),
    }
    service, roles = to.get(resource.kind, (None, []))
    return [(str(role), {"iam:PassedToService": service}) for role in roles if role]


def _function(resource: Resource) -> str:
    name = resource.text("FunctionName")
    return name if name.startswith("arn:") else resource.arn("lambda", f"function:{name}")


def _on_mapping(resource: Resource, action: str) -> Asked:
    """A mapping is known by its function; one that is being made is nothing yet, and tags have no such key."""
    arn = resource.arn("lambda", f"event-source-mapping:{resource.physical_id or NEW}")
    if action in ("lambda:ListTags", "lambda:TagResource", "lambda:UntagResource"):
        return [(arn, {})]
    making = action == "lambda:CreateEventSourceMapping"
    return [("*" if making else arn, {"lambda:FunctionArn": _function(resource)})]


def _on_archive(resource: Resource, action: str) -> Asked:
    """An archive is also made on the bus that it is of."""
    making = action == "events:CreateArchive"
    return [(target(action, resource), {}), *([(str(resource.new["SourceArn"]), {})] if making else [])]


def _bus(resource: Resource) -> str:
    name = str(resource.new.get("EventBusName") or "default").rpartition("/")[2]
    return "" if name == "default" else f"{name}/"


def _zone(resource: Resource) -> str:
    options = resource.new.get("DomainValidationOptions") or [{}]
    return str(options[0].get("HostedZoneId", NEW))


def _records(resource: Resource) -> list[str]:
    """The names of the records that change, as Route 53 normalizes them; a certificate's is chosen by ACM."""
    name = str(resource.new.get("Name") or f"_validation.{resource.new.get('DomainName')}")
    return [name.rstrip(".").lower()]


def _on_certificate(resource: Resource, action: str) -> Asked:
    """CloudFormation tags a certificate in a second call (docs/aws.md, "Tags of a certificate")."""
    arn, tags, earlier = target(action, resource), _tags(resource.new), _tags(resource.old)
    own = {f"aws:ResourceTag/{name}": value for name, value in earlier.items()}
    if action == "acm:AddTagsToCertificate":
        changed = {name: value for name, value in tags.items() if earlier.get(name) != value}
        own |= {f"aws:RequestTag/{name}": value for name, value in changed.items()}
    return [(arn, own)]


def _tags(properties: Properties) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in properties.get("Tags") or []}


def _on_key(resource: Resource, action: str, operation: str) -> Asked:
    """A new key has the tags of the request only: a tag may take five minutes to count (KMS guide, "ABAC for KMS").
    An update tags what changed only (docs/aws.md, "Tags of a key")."""
    tags, earlier = _tags(resource.new), _tags(resource.old)
    changed = {name: value for name, value in tags.items() if earlier.get(name) != value}
    removed = sorted(set(earlier) - set(tags))
    context: dict[str, Any] = {}
    if action in ("kms:CreateKey", "kms:TagResource"):
        if operation == "update" and not changed:
            return []
        context = {f"aws:RequestTag/{name}": value for name, value in changed.items()}
        context["aws:TagKeys"] = sorted(changed) or None
    elif action == "kms:UntagResource":
        context["aws:TagKeys"] = removed or None
    making = action in ("kms:CreateKey", "kms:TagResource") and operation == "create"
    if making or not resource.physical_id:
        return [("*", context)] if making and not resource.physical_id else []
    key = documents.key_arn(resource.physical_id, resource.region, resource.account)
    return [(key, context if operation == "create" else documents.key_context(key) | context)] if key else []


def _on_alias(resource: Resource, _action: str) -> Asked:
    """An alias and its key, each for itself."""
    key = documents.key_arn(str(resource.new.get("TargetKeyId", "")), resource.region, resource.account)
    name = resource.text("AliasName")
    # The alias may be new and the key's tags may not count yet: neither is asked for.
    return [(resource.arn("kms", name), {}), *([(key, {})] if key else [])]


def _on_api(resource: Resource, action: str, operation: str) -> Asked:
    """Paths, and the tags that count for them: those of the API or domain name, though it be made only now."""
    own = {f"aws:ResourceTag/{name}": value for name, value in _tags(resource.new).items()}
    whole = len(API_PARTS.get(resource.kind, ())) == 1
    for path in _api_paths(resource, action, operation):
        known = context.of_resource(action, path, resource.account)
        yield path, known or (own if whole and path.count("/") == 2 else {})


def _api_paths(resource: Resource, action: str, operation: str) -> list[str]:
    """API Gateway names its resources by path; tags are set on the path of an ARN, where "*" is an API that is being
    made (docs/aws.md, "Tags of an API")."""
    root, parts = f"arn:aws:apigateway:{resource.region}::", API_PARTS.get(resource.kind)
    if parts is None:
        return []
    collection, *inner = parts
    naming = "DomainName" if collection == "domainnames" else "RestApiId"
    own = resource.new.get(naming) or resource.physical_id or NEW
    paths = [f"{root}/{collection}"] if not inner else [f"{root}/{collection}/{own}/{inner[0]}"]
    if not (operation == "create" and action == "apigateway:POST"):
        paths = [f"{paths[0]}/{resource.new.get('StageName') or NEW if inner else own}"]
    if resource.new.get("Tags") and action in ("apigateway:PUT", "apigateway:DELETE") and operation != "delete":
        made = operation == "create" and own == NEW
        tagged = f"{root}/{collection}/*" if made else paths[0]
        paths.append(f"{root}{context.TAGS.removeprefix('::')}{quote(tagged, safe='*')}")
    return paths


API_PARTS: Final = {
    "AWS::ApiGateway::BasePathMapping": ("domainnames", "basepathmappings"),
    "AWS::ApiGateway::Deployment": ("restapis", "deployments"),
    "AWS::ApiGateway::DomainName": ("domainnames",),
    "AWS::ApiGateway::GatewayResponse": ("restapis", "gatewayresponses"),
    "AWS::ApiGateway::Method": ("restapis", "resources"),
    "AWS::ApiGateway::Model": ("restapis", "models"),
    "AWS::ApiGateway::RequestValidator": ("restapis", "requestvalidators"),
    "AWS::ApiGateway::Resource": ("restapis", "resources"),
    "AWS::ApiGateway::RestApi": ("restapis",),
    "AWS::ApiGateway::Stage": ("restapis", "stages"),
}
BY_KIND: Final[Mapping[str, Callable[[Resource, str], Asked]]] = {
    "AWS::Events::Archive": _on_archive,
    "AWS::KMS::Alias": _on_alias,
    "AWS::Lambda::EventSourceMapping": _on_mapping,
}
