"""CloudFormation: pseudo parameters in conditions, and what change sets show.

The emulator leaves pseudo parameters unresolved in conditions; its change sets list resources that are off, and call a
replacement of most types merely possible.
"""

from typing import Any, Final

from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import changesets, engine, provisioners

from localcloud.gaps import patching
from localcloud.gaps.patching import Properties

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
    "AWS::Events::EventBus": ("Name",),
    "AWS::Events::Rule": ("Name",),
    "AWS::IAM::Policy": (),
    "AWS::KMS::Alias": ("AliasName",),
    "AWS::KMS::Key": (),
    "AWS::Lambda::EventInvokeConfig": ("FunctionName", "Qualifier"),
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


# Types that the emulator does not know and that change nothing here: there are no traces to sample.
INERT: Final = ("AWS::XRay::SamplingRule",)


def install() -> None:
    """Wrap the evaluation of conditions and the comparison of templates; complete the tables of types."""
    for kind in INERT:
        provisioners._RESOURCE_HANDLERS[kind] = {"create": _create, "update": _update, "delete": _delete}
    patching.wrap(engine, "_evaluate_conditions", _evaluate_conditions)
    patching.wrap(changesets, "_resolve_props_for_diff", _leave_out_what_is_off)
    for kind, properties in REPLACING.items():
        provisioners._REPLACING_PROPERTIES.setdefault(kind, properties)


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


def _create(logical_id: str, _properties: Properties, stack_name: str) -> tuple[str, Properties]:
    return f"{stack_name}-{logical_id}", {}


def _update(physical_id: str, _old: Properties, _new: Properties, *_more: Any) -> tuple[str, Properties]:
    return physical_id, {}


def _delete(_physical_id: str, *_more: Any) -> None:
    """There is nothing to delete."""
