"""On which resource, and in which context, a handler's action falls: ARNs as in the Service Authorization Reference."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from localcloud.iam import documents

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
        )
        return next((str(key) for key in named if key), "")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def text(self, name: str, default: str = NEW) -> str:
        return str(self.new.get(name) or self.physical_id or default)

    def asked(self, action: str, operation: str) -> Asked:  # noqa: PLR0911 - a case a line
        """The resources of an action, each with its context; "*" for actions that have no resource type."""
        if action in NO_TYPE:
            return [("*", {})]
        if self.kind == "AWS::KMS::Key":
            return _on_key(self, action, operation)
        if self.kind == "AWS::KMS::Alias":
            return _on_alias(self)
        if action.startswith("apigateway:"):
            return [(path, {}) for path in _api_paths(self, action, operation)]
        if action == "cloudwatch:DescribeAlarms":
            return [(self.arn("cloudwatch", "alarm:*"), {})]
        if action in ("s3:GetObject", "s3:GetObjectVersion"):
            code = self.new.get("Code") or {}
            asked = "S3Bucket" in code and (action == "s3:GetObject" or "S3ObjectVersion" in code)
            return [(f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}", {})] if asked else []
        if action.startswith("iam:") and self.kind == "AWS::IAM::Policy":
            return [(f"arn:aws:iam::{self.account}:role/{role}", {}) for role in self.new.get("Roles", ())]
        if action == "iam:CreateServiceLinkedRole":
            own = f"role/aws-service-role/{LINKED_ROLE}"
            return [(f"arn:aws:iam::{self.account}:{own}", {})] if self.kind == "AWS::ApiGateway::DomainName" else []
        if action.startswith("route53:") and action in ON_ZONE:
            return [(f"arn:aws:route53:::{ON_ZONE[action]}/{self.new.get('HostedZoneId') or _zone(self)}", {})]
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


def _bus(resource: Resource) -> str:
    name = str(resource.new.get("EventBusName") or "default").rpartition("/")[2]
    return "" if name == "default" else f"{name}/"


def _zone(resource: Resource) -> str:
    options = resource.new.get("DomainValidationOptions") or [{}]
    return str(options[0].get("HostedZoneId", NEW))


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


def _on_alias(resource: Resource) -> Asked:
    """An alias and its key, each for itself."""
    key = documents.key_arn(str(resource.new.get("TargetKeyId", "")), resource.region, resource.account)
    name = resource.text("AliasName")
    # The alias may be new and the key's tags may not count yet: neither is asked for.
    return [(resource.arn("kms", name), {}), *([(key, {})] if key else [])]


def _api_paths(resource: Resource, action: str, operation: str) -> list[str]:
    """API Gateway names its resources by path; tags are set on the path of an ARN."""
    root, parts = f"arn:aws:apigateway:{resource.region}::", API_PARTS.get(resource.kind)
    if parts is None:
        return []
    collection, *inner = parts
    own = resource.new.get("RestApiId") or resource.new.get("DomainName") or resource.physical_id or NEW
    paths = [f"{root}/{collection}"] if not inner else [f"{root}/{collection}/{own}/{inner[0]}"]
    if not (operation == "create" and action == "apigateway:POST"):
        paths = [f"{paths[0]}/{NEW if inner else own}"]
    if resource.new.get("Tags") and action in ("apigateway:PUT", "apigateway:DELETE") and operation != "delete":
        paths.append(f"{root}/tags/arn%3Aaws%3Aapigateway%3A{resource.region}%3A%3A%2F{collection}%2F{own}")
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
