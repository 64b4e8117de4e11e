"""What every account and Region needs once, before any environment (docs/design.md, "Bootstrap")."""

from collections.abc import Mapping
from typing import Any

from awacs.aws import Principal
from troposphere import And, Condition, Equals, GetAtt, Not, Or, Output, Parameter, Ref, Sub, Tags, Template
from troposphere.apigateway import Account
from troposphere.iam import Role
from troposphere.kms import Alias, Key
from troposphere.s3 import (
    AbortIncompleteMultipartUpload,
    Bucket,
    BucketEncryption,
    BucketPolicy,
    LifecycleConfiguration,
    LifecycleRule,
    LoggingConfiguration,
    NoncurrentVersionExpiration,
    VersioningConfiguration,
)

from builder import boundary, parameters, stackset_roles
from builder.allowed import REGIONS
from builder.encryption import of_account
from builder.names import ACCESS_LOGS, ARTIFACTS, ARTIFACTS_KEY, FIXED_TAGS
from builder.policies import WRITE_WITH_KEY, allow, document, from_account, trust
from builder.storage import BY_S3, NO_ACLS, NOT_PUBLIC, tls_statements, under


def bootstrap_template() -> Template:
    """Two buckets a Region, API Gateway's log role, and in the home Region the StackSet roles: the same for all
    environments of an account, whatever their Regions."""
    template = Template(Description="Payments: once per account and Region")
    add_parameters(template)
    logs = add_access_logs(template)
    artifacts = add_artifacts(template, logs)
    add_api_gateway_account(template)
    boundary.add_boundary(template)
    stackset_roles.add_roles(template)
    template.add_output(Output("AccessLogBucket", Value=logs.ref()))
    template.add_output(Output("ArtifactBucket", Value=artifacts.ref()))
    template.add_output(
        Output("AdministrationRoleArn", Condition="MakesAdministrationRole", Value=GetAtt("AdministrationRole", "Arn"))
    )
    template.add_output(Output("ExecutionRoleName", Condition="MakesExecutionRole", Value=Ref("ExecutionRole")))
    return template


def add_parameters(template: Template) -> None:
    """What exists already is named and not made."""
    text: list[tuple[str, str, dict[str, Any]]] = [
        (
            "HomeRegion",
            "Region of the StackSet",
            {"Default": REGIONS[0], "AllowedValues": [*REGIONS]},
        ),
        (
            "AdministratorAccount",
            "Account of the StackSet; empty is this one",
            {"Default": "", "AllowedPattern": r"(\d{12})?"},
        ),
        ("ExecutionRoleArns", "Roles that StackSets assume, comma between; empty is that of here", {"Default": ""}),
        ("CredentialArns", "Secrets that payments may read, comma between; empty is none", {"Default": ""}),
        ("HostedZoneArns", "Hosted zones of custom domains, comma between; empty is none", {"Default": ""}),
        ("RecordNames", "Names of records that may be changed there, comma between", {"Default": ""}),
        ("ExistingAdministrationRoleArn", "StackSet administration role; empty makes one", {"Default": ""}),
        ("ExistingExecutionRoleName", "StackSet execution role; empty makes one", {"Default": ""}),
        (
            "ExistingApiGatewayLogRole",
            "true when API Gateway of this Region has a log role",
            {"Default": "false", "AllowedValues": ["true", "false"]},
        ),
    ]
    for name, description, options in text:
        template.add_parameter(Parameter(name, Type="String", Description=description, **options))
    parameters.add_is_home(template, REGIONS)  # also that of an environment in other Regions
    template.add_condition(
        "IsAdministrator",
        Or(Equals(Ref("AdministratorAccount"), ""), Equals(Ref("AdministratorAccount"), Ref("AWS::AccountId"))),
    )
    template.add_condition("NamesAdministrator", Not(Equals(Ref("AdministratorAccount"), "")))
    template.add_condition("NamesNoAdministrationRole", Equals(Ref("ExistingAdministrationRoleArn"), ""))
    template.add_condition(
        "MakesAdministrationRole",
        And(Condition("IsHome"), Condition("IsAdministrator"), Condition("NamesNoAdministrationRole")),
    )
    template.add_condition("NamesExecutionRoles", Not(Equals(Ref("ExecutionRoleArns"), "")))
    template.add_condition("NamesZones", Not(Equals(Ref("HostedZoneArns"), "")))
    template.add_condition("NamesNoExecutionRole", Equals(Ref("ExistingExecutionRoleName"), ""))
    template.add_condition("MakesExecutionRole", And(Condition("IsHome"), Condition("NamesNoExecutionRole")))
    template.add_condition("MakesDomainRights", And(Condition("MakesExecutionRole"), Condition("NamesZones")))
    template.add_condition("MakesApiGatewayRole", Equals(Ref("ExistingApiGatewayLogRole"), "false"))


def add_access_logs(template: Template) -> Bucket:
    """Where S3 logs access to all other buckets of the Region, and to itself; S3 can write to AES256 only."""
    bucket = template.add_resource(
        _bucket("AccessLogBucket", ACCESS_LOGS, encryption=BY_S3, logs_to=None, expiry={"ExpirationInDays": 400})
    )
    template.add_resource(
        BucketPolicy(
            "AccessLogBucketPolicy",
            Bucket=bucket.ref(),
            PolicyDocument=document(
                allow(
                    "s3:PutObject",
                    Sub("${AccessLogBucket.Arn}/*"),
                    from_account(),
                    Principal=Principal("Service", "logging.s3.amazonaws.com"),
                    Sid="AccessLogs",
                ),
                *tls_statements([GetAtt(bucket, "Arn"), Sub("${AccessLogBucket.Arn}/*")]),
            ),
        )
    )
    return bucket


def add_artifacts(template: Template, logs: Bucket) -> Bucket:
    """Templates and function code, under the hash of their content and a key of their own."""
    key = template.add_resource(
        Key(
            "ArtifactKey",
            Description="Templates and function code of payments",
            EnableKeyRotation=True,
            PendingWindowInDays=30,
            KeyPolicy=document(*of_account(WRITE_WITH_KEY, "s3")),
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Retain",
            Tags=bootstrap_tags(ARTIFACTS_KEY.removeprefix("alias/")),
        )
    )
    template.add_resource(Alias("ArtifactKeyAlias", AliasName=ARTIFACTS_KEY, TargetKeyId=key.ref()))
    # What the tool deletes leaves a delete marker, which outlasts the versions below it.
    expiry = {"ExpiredObjectDeleteMarker": True}
    bucket = template.add_resource(
        _bucket("ArtifactBucket", ARTIFACTS, encryption=under(key), logs_to=logs, expiry=expiry)
    )
    template.add_resource(
        BucketPolicy(
            "ArtifactBucketPolicy",
            Bucket=bucket.ref(),
            PolicyDocument=document(*tls_statements([GetAtt(bucket, "Arn"), Sub("${ArtifactBucket.Arn}/*")])),
        )
    )
    return bucket


def add_api_gateway_account(template: Template) -> None:
    """API Gateway has one log role an account and Region; kept, for other APIs may have come to use it, and the setting
    names it even after a rollback (docs/aws.md, "One log role a Region")."""
    writes = template.add_resource(
        Role(
            "ApiGatewayLogRole",
            Condition="MakesApiGatewayRole",
            AssumeRolePolicyDocument=trust("apigateway"),
            ManagedPolicyArns=[
                Sub("arn:${AWS::Partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs")
            ],
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Tags=bootstrap_tags("payment-api-gateway-logs"),
        )
    )
    template.add_resource(
        Account(
            "ApiGatewayAccount",
            Condition="MakesApiGatewayRole",
            CloudWatchRoleArn=GetAtt(writes, "Arn"),
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
        )
    )


def bootstrap_tags(name: str) -> Tags:
    """The tags of docs/design.md, "Tags", without an environment: all environments of the account share these."""
    return Tags(
        **FIXED_TAGS,
        Name=Sub(name) if "${" in name else name,
        Region=Ref("AWS::Region"),
    )


def _bucket(
    title: str, name: str, *, encryption: BucketEncryption, logs_to: Bucket | None, expiry: Mapping[str, int]
) -> Bucket:
    logging = LoggingConfiguration(LogFilePrefix=f"{title}/")
    if logs_to is not None:
        logging.DestinationBucketName = logs_to.ref()
    return Bucket(
        title,
        BucketName=Sub(name),
        BucketEncryption=encryption,
        LifecycleConfiguration=LifecycleConfiguration(
            Rules=[
                LifecycleRule(
                    Id="tidy",
                    Status="Enabled",
                    AbortIncompleteMultipartUpload=AbortIncompleteMultipartUpload(DaysAfterInitiation=1),
                    NoncurrentVersionExpiration=NoncurrentVersionExpiration(NoncurrentDays=30),
                    **expiry,
                )
            ]
        ),
        LoggingConfiguration=logging,
        OwnershipControls=NO_ACLS,
        PublicAccessBlockConfiguration=NOT_PUBLIC,
        VersioningConfiguration=VersioningConfiguration(Status="Enabled"),
        DeletionPolicy="Delete",
        UpdateReplacePolicy="Retain",
        Tags=bootstrap_tags(name),
    )
