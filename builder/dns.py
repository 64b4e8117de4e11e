"""The optional custom domain: certificate, domain name, mapping, latency record with health check (docs/design.md, "The
custom domain")."""

from troposphere import GetAtt, If, Ref, Sub, Template
from troposphere.apigateway import BasePathMapping, DomainName, EndpointConfiguration, RestApi, Stage
from troposphere.certificatemanager import Certificate, DomainValidationOption
from troposphere.route53 import AliasTarget, HealthCheck, HealthCheckConfig, RecordSetType

from builder.intrinsics import tags
from builder.names import HEALTH
from builder.parameters import of_rank


def add_domain(template: Template, api: RestApi, stage: Stage) -> None:
    """All of it, when the Regions are linked and a domain is named."""
    certificate = template.add_resource(
        Certificate(
            "Certificate",
            Condition="MakesCertificate",
            DomainName=Ref("DomainName"),
            DomainValidationOptions=[
                DomainValidationOption(DomainName=Ref("DomainName"), HostedZoneId=Ref("HostedZoneId"))
            ],
            ValidationMethod="DNS",
            # The StackSet's role may delete none: it cannot tell ours from others' (builder/execution_rights.py).
            DeletionPolicy="Retain",
            UpdateReplacePolicy="Retain",
            Tags=tags("payment-api-${AWS::Region}-${EnvironmentSuffix}"),
        )
    )
    domain = template.add_resource(
        DomainName(
            "Domain",
            Condition="HasDomain",
            DomainName=Ref("DomainName"),
            EndpointConfiguration=EndpointConfiguration(Types=["REGIONAL"]),
            RegionalCertificateArn=If("MakesCertificate", certificate.ref(), of_rank("CertificateArns", "Rank")),
            SecurityPolicy="TLS_1_2",
            Tags=tags("payment-api-${AWS::Region}-${EnvironmentSuffix}"),
        )
    )
    template.add_resource(
        BasePathMapping(
            "DomainMapping",
            Condition="HasDomain",
            DomainName=domain.ref(),
            RestApiId=api.ref(),
            Stage=stage.ref(),
        )
    )
    check = template.add_resource(_health_check(api))
    template.add_resource(
        RecordSetType(
            "DomainRecord",
            Condition="HasDomain",
            AliasTarget=AliasTarget(
                DNSName=GetAtt(domain, "RegionalDomainName"),
                EvaluateTargetHealth=True,
                HostedZoneId=GetAtt(domain, "RegionalHostedZoneId"),
            ),
            HealthCheckId=check.ref(),
            HostedZoneId=Ref("HostedZoneId"),
            Name=Ref("DomainName"),
            Region=Ref("AWS::Region"),
            SetIdentifier=Ref("AWS::Region"),
            Type="A",
        )
    )


def _health_check(api: RestApi) -> HealthCheck:
    """Checks the Region's own address, not the shared name, so that each Region is judged by itself."""
    return HealthCheck(
        "DomainHealthCheck",
        Condition="HasDomain",
        HealthCheckConfig=HealthCheckConfig(
            EnableSNI=True,
            FailureThreshold=2,
            FullyQualifiedDomainName=Sub("${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}", Api=api.ref()),
            Port=443,
            RequestInterval=10,
            ResourcePath="/prod/health",
            Type="HTTPS",
        ),
        HealthCheckTags=tags(HEALTH),
    )
