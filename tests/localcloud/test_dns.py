"""Certificates wait for their validation, which takes a zone that the internet sees; health checks from templates."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import localcloud
from tests.localcloud.conftest import Clients, eventually


@pytest.fixture
def fault(cloud: localcloud.LocalCloud) -> Iterator[Callable[[str], Any]]:
    yield lambda zone: cloud.admin("POST", "/faults", {"kind": "undelegated", "zone": zone})
    cloud.admin("DELETE", "/faults")


@pytest.fixture
def zone(client: Clients, name: str) -> tuple[str, str]:
    """A public hosted zone: its name and its id."""
    domain = f"{name}.example"
    made = client("route53").create_hosted_zone(Name=domain, CallerReference=name)
    return domain, made["HostedZone"]["Id"].rpartition("/")[2]


def create(client: Clients, name: str, domain: str, zone: str) -> Any:
    """Start to create a stack with a certificate; returns how to look at the stack's status."""
    certificate = {
        "Type": "AWS::CertificateManager::Certificate",
        "Properties": {
            "DomainName": f"pay.{domain}",
            "ValidationMethod": "DNS",
            "DomainValidationOptions": [{"DomainName": f"pay.{domain}", "HostedZoneId": zone}],
        },
    }
    check = {
        "Type": "AWS::Route53::HealthCheck",
        "Properties": {"HealthCheckConfig": {"Type": "HTTPS", "FullyQualifiedDomainName": f"pay.{domain}"}},
    }
    outputs = {"Certificate": {"Value": {"Ref": "Certificate"}}, "Check": {"Value": {"Ref": "Check"}}}
    cloudformation = client("cloudformation")
    template = {"Resources": {"Certificate": certificate, "Check": check}, "Outputs": outputs}
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(template))
    return lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0]


def pending(client: Clients, domain: str) -> bool:
    listed = client("acm").list_certificates(CertificateStatuses=["PENDING_VALIDATION"])["CertificateSummaryList"]
    return f"pay.{domain}" in [each["DomainName"] for each in listed]


def records(client: Clients, zone: str) -> set[str]:
    listed = client("route53").list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    return {record["Type"] for record in listed}


def test_a_certificate_of_a_public_zone_is_issued_and_leaves_its_record(
    client: Clients, zone: tuple[str, str], name: str
) -> None:
    """docs/aws.md, "Certificates wait for DNS"."""
    stack = create(client, name, *zone)
    eventually(lambda: stack()["StackStatus"] == "CREATE_COMPLETE")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack()["Outputs"]}
    described = client("acm").describe_certificate(CertificateArn=outputs["Certificate"])["Certificate"]
    assert described["Status"] == "ISSUED"
    check = client("route53").get_health_check(HealthCheckId=outputs["Check"])["HealthCheck"]["HealthCheckConfig"]
    assert check["FullyQualifiedDomainName"] == f"pay.{zone[0]}"
    client("cloudformation").delete_stack(StackName=name)
    eventually(lambda: outputs["Check"] not in json.dumps(client("route53").list_health_checks(), default=str))
    assert "CNAME" in records(client, zone[1])


@pytest.mark.parametrize("more", [4, 5])
def test_a_health_check_has_ten_tags_at_most(client: Clients, name: str, more: int) -> None:
    """Those of its stack among them."""
    own = [{"Key": f"own-{number}", "Value": "x"} for number in range(6)]
    config = {"Type": "HTTPS", "FullyQualifiedDomainName": f"{name}.example"}
    check = {"Type": "AWS::Route53::HealthCheck", "Properties": {"HealthCheckConfig": config, "HealthCheckTags": own}}
    cloudformation = client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps({"Resources": {"Check": check}}),
        Tags=[own[0], *({"Key": f"stack-{number}", "Value": "x"} for number in range(more))],
    )

    def ended() -> Any:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]
        return None if found.endswith("_IN_PROGRESS") else found

    assert eventually(ended) == ("CREATE_COMPLETE" if more == 4 else "ROLLBACK_COMPLETE")


def test_a_certificate_of_a_private_zone_waits_until_the_stack_is_deleted(client: Clients, name: str) -> None:
    vpc = {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}
    domain = f"{name}.example"
    made = client("route53").create_hosted_zone(Name=domain, CallerReference=name, VPC=vpc)["HostedZone"]["Id"]
    stack = create(client, name, domain, made.rpartition("/")[2])
    eventually(lambda: pending(client, domain))
    assert stack()["StackStatus"] == "CREATE_IN_PROGRESS"
    client("cloudformation").delete_stack(StackName=name)
    eventually(lambda: not pending(client, domain))


def test_a_certificate_waits_for_the_delegation_of_its_zone(
    cloud: localcloud.LocalCloud, client: Clients, fault: Callable[[str], Any], zone: tuple[str, str], name: str
) -> None:
    servers = client("route53").get_hosted_zone(Id=zone[1])["DelegationSet"]["NameServers"]
    assert sorted(cloud.admin("GET", f"/dns/{zone[0]}")["name_servers"]) == sorted(servers)
    fault(zone[0])
    assert cloud.admin("GET", f"/dns/{zone[0]}") == {"name_servers": []}
    stack = create(client, name, *zone)
    eventually(lambda: pending(client, zone[0]))
    assert stack()["StackStatus"] == "CREATE_IN_PROGRESS"
    cloud.admin("DELETE", "/faults")
    eventually(lambda: stack()["StackStatus"] == "CREATE_COMPLETE")
