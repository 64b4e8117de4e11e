"""A custom domain: the hosted zone is looked at first, a certificate that waits is explained, its record stays."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dns.resolver
import pytest

import localcloud
from builder import settings as settings_file
from payctl.cloud import Cloud
from payctl.environments import bootstrap, destroy, preflight, why
from payctl.regions import checkers
from stacksets.errors import RegionsFailedError, ToolError
from tests.localcloud.conftest import eventually
from tests.payctl import small
from tests.payctl.conftest import REGIONS, ROOT, Project

HOME, SECOND, THIRD = REGIONS
Aws = Callable[[str, str], Any]


def with_certificate() -> dict[str, Any]:
    template = small.regional()
    named = {"Fn::Not": [{"Fn::Equals": [{"Ref": "DomainName"}, ""]}]}
    linked = {"Fn::Not": [{"Fn::Equals": [{"Ref": "KeyArns"}, ""]}]}
    template["Conditions"]["HasDomain"] = {"Fn::And": [named, linked]}
    template["Resources"]["Certificate"] = {
        "Type": "AWS::CertificateManager::Certificate",
        "Condition": "HasDomain",
        "DeletionPolicy": "Retain",
        "Properties": {
            "DomainName": {"Ref": "DomainName"},
            "ValidationMethod": "DNS",
            "DomainValidationOptions": [{"DomainName": {"Ref": "DomainName"}, "HostedZoneId": {"Ref": "HostedZoneId"}}],
        },
    }
    return template


@pytest.fixture
def zone(project: Project, aws: Aws) -> str:
    """The name of a public hosted zone with the project's domain in it."""
    name = f"{project.suffix}.example"
    made = aws("route53", HOME).create_hosted_zone(Name=name, CallerReference=project.suffix)["HostedZone"]["Id"]
    use(project, name, made)
    return name


def use(project: Project, zone: str, made: str) -> None:
    values = {"name": f"pay.{zone}", "hosted_zone_id": made.rpartition("/")[2]}
    lines = (project.folder / "deployment.toml").read_text().splitlines()
    settings = [line.partition(" = ")[0] for line in lines]
    text = [
        f'{name} = "{values[name]}"' if name in values else line for name, line in zip(settings, lines, strict=True)
    ]
    project.settings("\n".join(text))
    project.write(regional=with_certificate())
    bootstrap.bootstrap(project.environment())  # tells the execution role which zone and names are its own


@pytest.fixture
def undelegated(cloud: localcloud.LocalCloud, zone: str) -> Iterator[str]:
    cloud.admin("POST", "/faults", {"kind": "undelegated", "zone": zone})
    yield zone
    cloud.admin("DELETE", "/faults")


def test_private_zone_is_refused(project: Project, aws: Aws) -> None:
    vpc = {"VPCRegion": HOME, "VPCId": "vpc-1"}
    name = f"{project.suffix}.example"
    made = aws("route53", HOME).create_hosted_zone(Name=name, CallerReference=project.suffix, VPC=vpc)
    use(project, name, made["HostedZone"]["Id"])
    with pytest.raises(RegionsFailedError, match=r"nothing was changed: .* is private: no certificate"):
        project.deploy()


def test_zone_that_nobody_is_pointed_to_is_refused_and_works_once_it_is(
    project: Project, cloud: localcloud.LocalCloud, undelegated: str
) -> None:
    with pytest.raises(RegionsFailedError, match=f"the internet asks nobody for {undelegated}") as caught:
        project.deploy()
    assert "ns-1.awsdns-1.com" in caught.value.remedy
    cloud.admin("DELETE", "/faults")
    assert project.deploy().health == dict.fromkeys(REGIONS, "healthy")
    kept = destroy.plan(project.environment(), delete_data=True).kept
    assert any(f"validation record of pay.{undelegated}" in line for line in kept)


def test_domain_that_another_has_is_found(project: Project, aws: Aws, zone: str) -> None:
    shutil.copy(ROOT / "templates" / "regional.json", project.folder / "templates")
    name, apis = f"pay.{zone}", aws("apigateway", SECOND)
    apis.create_domain_name(domainName=name, endpointConfiguration={"types": ["REGIONAL"]})
    record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    aws("route53", HOME).change_resource_record_sets(
        HostedZoneId=project.environment().settings.domain.hosted_zone_id,
        ChangeBatch={
            "Changes": [
                {"Action": "CREATE", "ResourceRecordSet": {**record, "Region": THIRD, "SetIdentifier": THIRD}},
            ]
        },
    )
    found = {(each.place, each.detail) for each in preflight.preflight(project.environment()) if each.ok is False}
    kept = "exists already and is not of this environment"
    assert found == {(SECOND, f"domain name {name} {kept}"), (THIRD, f"DNS record {name} {kept}")}


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (("NS-1.awsdns-1.com.", "ns-2.awsdns-2.net."), True),
        (("ns.elsewhere.example.",), False),
        (dns.resolver.NXDOMAIN, False),
        (dns.resolver.NoNameservers, None),
    ],
    ids=["its own", "others", "nobody", "no answer"],
)
def test_internet_is_asked_on_aws(
    project: Project, zone: str, monkeypatch: pytest.MonkeyPatch, answer: Any, ok: bool | None
) -> None:
    def resolve(name: str, kind: str) -> Any:
        assert (name, kind) == (f"{zone}.", "NS")
        if isinstance(answer, type):
            raise answer
        return answer

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    on_aws = Cloud.of(settings_file.load(project.folder / "deployment.toml", project.environ), environ={})
    environment = project.environment()
    monkeypatch.setattr(environment.cloud, "name_servers", on_aws.name_servers)
    (check,) = (check for check in preflight.preflight(environment) if check.subject == "delegation")
    assert check.ok is ok, check


@pytest.mark.evidence
def test_certificate_that_waits_is_explained_with_the_way_to_end_it(
    project: Project, aws: Aws, undelegated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "require", lambda *_: None)
    with ThreadPoolExecutor(1) as pool:
        deployment = pool.submit(project.deploy)

        def explained() -> why.Explanation | None:
            """Of all three: before that the Regions are said not to have the last change yet."""
            found = why.why(project.environment())
            return found if found.subject.endswith("waits") and len(found.causes) == 3 else None

        waits = eventually(explained)
        for cause in waits.causes:
            assert (cause.resource, "by DNS" in cause.reason) == ("Certificate", True)
            stack = project.environment().survey().stacks[cause.region]
            assert f"aws cloudformation cancel-update-stack --stack-name {stack.name}" in cause.remedy
            aws("cloudformation", cause.region).cancel_update_stack(StackName=stack.name)
        with pytest.raises(RegionsFailedError, match="link of"):
            deployment.result()
    for region in REGIONS:
        arns = aws("acm", region).list_certificates()["CertificateSummaryList"]
        assert f"pay.{undelegated}" not in [arn["DomainName"] for arn in arns]


@pytest.mark.usefixtures("zone")
def test_health_check_of_a_region_is_that_of_its_stack(project: Project, aws: Aws) -> None:
    """By which `payctl region` sees whether DNS leads there."""
    template = with_certificate()
    config = {"Type": "HTTPS", "FullyQualifiedDomainName": {"Fn::Sub": "${AWS::Region}.example"}}
    template["Resources"]["Checked"] = {
        "Type": "AWS::Route53::HealthCheck",
        "Condition": "HasDomain",
        "Properties": {"HealthCheckConfig": config},
    }
    project.write(regional=template)
    project.deploy()
    environment = project.environment()
    found = checkers.health_check(environment, SECOND)
    made = aws("route53", HOME).get_health_check(HealthCheckId=found)["HealthCheck"]["HealthCheckConfig"]
    assert made["FullyQualifiedDomainName"] == f"{SECOND}.example"
    assert not checkers.ask(environment, SECOND, found).healthy, "there is nothing"


def test_without_a_domain_there_is_no_health_check(project: Project) -> None:
    project.deploy()
    assert checkers.health_check(project.environment(), SECOND) == ""


def test_unknown_endpoint_is_one_line(project: Project) -> None:
    cloud = Cloud.of(
        settings_file.load(project.folder / "deployment.toml", project.environ), endpoint="http://127.0.0.1:1"
    )
    with pytest.raises(ToolError, match=r"the name servers of example\.com cannot be looked up"):
        cloud.name_servers("example.com")
