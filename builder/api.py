"""The REST API of a Region: three methods through the functions, redeployed when it changes (docs/design.md, "The REST
API resource")."""

import json
import zlib
from typing import Any

from troposphere import AWSObject, GetAtt, If, Ref, Sub, Template
from troposphere.apigateway import (
    AccessLogSetting,
    Deployment,
    EndpointConfiguration,
    Integration,
    Method,
    MethodSetting,
    Model,
    RequestValidator,
    Resource,
    RestApi,
    Stage,
)
from troposphere.awslambda import Function, Permission
from troposphere.kms import Key
from troposphere.logs import LogGroup

from builder import waivers
from builder.gateway_responses import gateway_responses
from builder.indented_json import pretty
from builder.intrinsics import tags
from builder.merchants import policy
from builder.names import API, API_LOGS
from builder.settings import Settings

ACCESS_LOG_FORMAT = json.dumps(
    {
        "requestId": "$context.requestId",
        "extendedRequestId": "$context.extendedRequestId",
        "time": "$context.requestTime",
        "caller": "$context.identity.caller",
        "sourceIp": "$context.identity.sourceIp",
        "method": "$context.httpMethod",
        "resource": "$context.resourcePath",
        "status": "$context.status",
        "responseType": "$context.error.responseType",
        "integrationStatus": "$context.integration.status",
        "latency": "$context.responseLatency",
    }
)

# Only the shape; the function names every fault. A body that is no such object costs no invocation.
PAYMENT = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["transaction"],
    "properties": {"transaction": {"type": "object"}},
}


def add_api(
    template: Template, settings: Settings, *, key: Key, processor: Function, health: Function
) -> tuple[RestApi, Stage]:
    """The API, its deployment and its stage."""
    allowed = policy(settings)
    api = RestApi(
        "Api",
        Name=Sub(API),
        Description="Payments",
        EndpointConfiguration=EndpointConfiguration(Types=["REGIONAL"]),
        # TLS 1.2 and 1.3 (docs/aws.md, "TLS of an API"); a custom domain is answered by this policy too.
        SecurityPolicy="SecurityPolicy_TLS13_1_2_PQ_2025_09",
        EndpointAccessMode="BASIC",
        Tags=tags(API),
        **({"Policy": allowed} if allowed else {}),
    )
    payments = Resource(
        "PaymentsResource", RestApiId=api.ref(), ParentId=GetAtt(api, "RootResourceId"), PathPart="payments"
    )
    payment = Resource("PaymentResource", RestApiId=api.ref(), ParentId=payments.ref(), PathPart="{id}")
    health_path = Resource(
        "HealthResource", RestApiId=api.ref(), ParentId=GetAtt(api, "RootResourceId"), PathPart="health"
    )
    model = Model("PaymentModel", RestApiId=api.ref(), Name="Payment", ContentType="application/json", Schema=PAYMENT)
    validator = RequestValidator(
        "PaymentValidator",
        RestApiId=api.ref(),
        Name="body-and-parameters",
        ValidateRequestBody=True,
        ValidateRequestParameters=True,
    )
    methods = [
        _method(
            "PostPayment",
            api,
            payments,
            "POST",
            processor,
            RequestModels={"application/json": model.ref()},
            RequestValidatorId=validator.ref(),
        ),
        _method(
            "GetPayment",
            api,
            payment,
            "GET",
            processor,
            RequestParameters={"method.request.path.id": True},
            RequestValidatorId=validator.ref(),
        ),
        _method(
            "GetHealth",
            api,
            health_path,
            "GET",
            health,
            AuthorizationType="NONE",
            Metadata=waivers.skip(waivers.OPEN_HEALTH),
        ),
    ]
    parts = [api, payments, payment, health_path, model, validator, *methods, *gateway_responses(api)]
    for part in parts:
        template.add_resource(part)
    permissions = _add_permissions(template, api, processor, health)
    deployment = template.add_resource(_deployment(api, parts))
    return api, template.add_resource(_stage(template, api, deployment, key, permissions))


def _method(title: str, api: RestApi, resource: Resource, verb: str, function: Function, **options: Any) -> Method:
    options.setdefault("AuthorizationType", "AWS_IAM")
    return Method(
        title,
        RestApiId=api.ref(),
        ResourceId=resource.ref(),
        HttpMethod=verb,
        Integration=Integration(
            Type="AWS_PROXY",
            IntegrationHttpMethod="POST",
            TimeoutInMillis=29000,
            Uri=Sub(
                "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations",
                Function=GetAtt(function, "Arn"),
            ),
        ),
        **options,
    )


def _add_permissions(template: Template, api: RestApi, processor: Function, health: Function) -> list[Permission]:
    """By ARN, which names the account; not every service sends the account beside it (AddPermission, SourceAccount)."""
    return [
        template.add_resource(
            Permission(
                title,
                Action="lambda:InvokeFunction",
                FunctionName=function.ref(),
                Principal="apigateway.amazonaws.com",
                SourceArn=Sub(
                    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/prod/" + path,
                    Api=api.ref(),
                ),
            )
        )
        for title, function, path in (
            ("PostPaymentPermission", processor, "POST/payments"),
            ("GetPaymentPermission", processor, "GET/payments/*"),
            ("GetHealthPermission", health, "GET/health"),
        )
    ]


def _deployment(api: RestApi, parts: list[AWSObject]) -> Deployment:
    """A deployment is a snapshot: its logical id holds a checksum of the API, so that every change makes a new one.

    CRC-32 tells one version from the next; importing hashlib would cost more than writing the whole template.
    """
    content = pretty({part.title: part for part in parts})
    checksum = f"{zlib.crc32(content.encode()):08x}"
    return Deployment(
        f"ApiDeployment{checksum}",
        RestApiId=api.ref(),
        Description=f"Content {checksum}",
        DependsOn=sorted(part.title for part in parts if part is not api),
    )


def _stage(template: Template, api: RestApi, deployment: Deployment, key: Key, permissions: list[Permission]) -> Stage:
    access = template.add_resource(_log_group("ApiAccessLogs", API_LOGS, key))
    # API Gateway chooses the name of this one and would create it itself, unencrypted and without expiry.
    execution = template.add_resource(_log_group("ApiExecutionLogs", "API-Gateway-Execution-Logs_${Api}/prod", key))
    return Stage(
        "ApiStage",
        RestApiId=api.ref(),
        DeploymentId=deployment.ref(),
        StageName="prod",
        AccessLogSetting=AccessLogSetting(
            # API Gateway wants the ARN without the ":*" that GetAtt gives.
            DestinationArn=Sub(
                f"arn:${{AWS::Partition}}:logs:${{AWS::Region}}:${{AWS::AccountId}}:log-group:{API_LOGS}"
            ),
            Format=ACCESS_LOG_FORMAT,
        ),
        MethodSettings=[
            MethodSetting(
                HttpMethod="*",
                ResourcePath="/*",
                DataTraceEnabled=False,
                LoggingLevel="ERROR",
                MetricsEnabled=True,
                ThrottlingBurstLimit=If("IntakeOn", Ref("ApiBurst"), 0),
                ThrottlingRateLimit=If("IntakeOn", Ref("ApiRate"), 0),
            ),
            # Payments that use up the stage's limit must not make a Region look unhealthy.
            MethodSetting(
                HttpMethod="GET",
                ResourcePath="/~1health",
                DataTraceEnabled=False,
                LoggingLevel="ERROR",
                MetricsEnabled=True,
                ThrottlingBurstLimit=100,
                ThrottlingRateLimit=50,
            ),
        ],
        TracingEnabled=False,
        # A stage answers at once: with 500, as long as it may not invoke the functions.
        DependsOn=[access.title, execution.title, *(permission.title for permission in permissions)],
        Metadata=waivers.skip(waivers.NO_CACHE, waivers.NO_TRACE),
        Tags=tags(API),
    )


def _log_group(title: str, name: str, key: Key) -> LogGroup:
    return LogGroup(
        title,
        LogGroupName=Sub(name),
        KmsKeyId=GetAtt(key, "Arn"),
        RetentionInDays=Ref("LogRetentionDays"),
        Tags=tags(name),
    )
