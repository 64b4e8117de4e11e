"""Whoever has got hold of the execution role tries to become administrator, or to own what is not the environment's.

The attacker is a role with the execution role's own policies, which the tests can assume. Each refusal is IAM's.
"""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

import localcloud
from builder.names import FIXED_TAGS
from tests.payctl.conftest import REGIONS, Project
from tests.payctl.test_domain import use

HOME = REGIONS[0]
ACCOUNT = "000000000000"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/payment-boundary"
EXECUTION = "payment-stackset-execution"
OURS = {"Application": FIXED_TAGS["Application"]}
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
Clients = Callable[[str], Any]


def trusting(principal: dict[str, str]) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def acting(cloud: localcloud.LocalCloud, sts: Any, role: str) -> Clients:
    """Clients of a session of a role."""
    keys = sts.assume_role(RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{role}", RoleSessionName="attack")["Credentials"]
    session = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    untyped: Any = boto3.client  # its overloads want the service's name as a literal
    return lambda service: untyped(service, region_name=HOME, endpoint_url=cloud.endpoint, **session)


def refused(call: Callable[..., Any], **given: Any) -> bool:
    try:
        call(**given)
    except ClientError as error:
        return "AccessDenied" in error.response["Error"]["Code"]
    return False


@pytest.fixture(scope="module")
def root(cloud: localcloud.LocalCloud) -> Clients:
    untyped: Any = boto3.client
    return lambda service: untyped(service, region_name=HOME, endpoint_url=cloud.endpoint, **localcloud.ROOT)


@pytest.fixture(scope="module")
def attacker(bootstrapped: localcloud.LocalCloud, root: Clients, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Of an environment with a custom domain, which takes most rights."""
    folder = tmp_path_factory.mktemp("attack")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.chdir(folder)
        zone = root("route53").create_hosted_zone(Name="attacked.example", CallerReference="attack")
        use(Project(folder, bootstrapped.endpoint), "attacked.example", zone["HostedZone"]["Id"])
    iam, name = root("iam"), "attacker"
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting({"AWS": ACCOUNT}))
    for policy in iam.list_attached_role_policies(RoleName=EXECUTION)["AttachedPolicies"]:
        iam.attach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    return acting(bootstrapped, root("sts"), name)


def test_no_role_is_made_without_the_boundary(attacker: Clients, root: Clients, project: Project) -> None:
    iam, name = attacker("iam"), f"payment-processor-{HOME}-{project.suffix}"
    role = {"RoleName": name, "AssumeRolePolicyDocument": trusting({"Service": "lambda.amazonaws.com"})}
    assert refused(iam.create_role, **role)
    assert refused(iam.create_role, **role, PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess")
    root("iam").create_role(**role)  # one from before there was a boundary
    assert refused(iam.put_role_policy, RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert refused(iam.attach_role_policy, RoleName=name, PolicyArn=administrator)
    assert refused(iam.put_role_permissions_boundary, RoleName=name, PermissionsBoundary=administrator)


def test_a_role_that_is_given_everything_can_still_do_nothing_beyond_the_boundary(
    attacker: Clients, root: Clients, cloud: localcloud.LocalCloud, project: Project
) -> None:
    iam, name = attacker("iam"), f"payment-processor-{HOME}-{project.suffix}"
    trust = trusting({"Service": "lambda.amazonaws.com"})
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, PermissionsBoundary=BOUNDARY)
    iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=EVERYTHING)
    assert refused(iam.delete_role_permissions_boundary, RoleName=name)
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=trusting({"AWS": ACCOUNT}))
    bound = acting(cloud, root("sts"), name)
    assert refused(bound("iam").put_role_policy, RoleName=EXECUTION, PolicyName="all", PolicyDocument=EVERYTHING)
    assert refused(bound("iam").delete_role_permissions_boundary, RoleName=name)
    assert refused(bound("iam").create_user, UserName="administrator")
    assert refused(
        bound("sts").assume_role, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/{EXECUTION}", RoleSessionName="attack"
    )
    assert refused(bound("lambda").list_functions)
    assert refused(bound("cloudformation").delete_stack, StackName="payment-bootstrap")
    assert refused(bound("secretsmanager").get_secret_value, SecretId="somebody-elses")
    assert refused(bound("s3").list_objects_v2, Bucket=f"payment-artifacts-{HOME}-{ACCOUNT}")


def test_the_roles_and_policies_of_bootstrap_stay_as_they_are(attacker: Clients) -> None:
    iam = attacker("iam")
    for role in (EXECUTION, "payment-stackset-administration"):
        assert refused(iam.put_role_policy, RoleName=role, PolicyName="all", PolicyDocument=EVERYTHING)
        assert refused(iam.update_assume_role_policy, RoleName=role, PolicyDocument=trusting({"AWS": ACCOUNT}))
        assert refused(iam.detach_role_policy, RoleName=role, PolicyArn=BOUNDARY)
        assert refused(iam.delete_role, RoleName=role)
    assert refused(iam.create_policy_version, PolicyArn=BOUNDARY, PolicyDocument=EVERYTHING, SetAsDefault=True)
    assert refused(iam.delete_policy, PolicyArn=BOUNDARY)


def test_a_key_of_others_cannot_be_tagged_and_then_owned(attacker: Clients, root: Clients) -> None:
    key, kms = root("kms").create_key()["KeyMetadata"]["KeyId"], attacker("kms")
    tags = [{"TagKey": name, "TagValue": value} for name, value in OURS.items()]
    assert refused(kms.tag_resource, KeyId=key, Tags=tags)
    assert refused(kms.put_key_policy, KeyId=key, PolicyName="default", Policy=EVERYTHING)
    assert refused(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=7)


def test_an_api_of_others_cannot_be_tagged_and_then_owned(attacker: Clients, root: Clients, project: Project) -> None:
    gateway = attacker("apigateway")
    api = root("apigateway").create_rest_api(name=project.suffix)["id"]
    root("apigateway").create_domain_name(domainName=f"api.{project.suffix}.org", regionalCertificateArn="arn")
    arn = f"arn:aws:apigateway:{HOME}::/restapis/{api}"
    assert refused(gateway.tag_resource, resourceArn=arn, tags=OURS)
    assert refused(gateway.delete_rest_api, restApiId=api)
    assert refused(gateway.put_gateway_response, restApiId=api, responseType="DEFAULT_5XX")
    assert refused(gateway.delete_domain_name, domainName=f"api.{project.suffix}.org")
    own = root("apigateway").create_rest_api(name=project.suffix, tags=OURS)["id"]
    gateway.tag_resource(resourceArn=f"arn:aws:apigateway:{HOME}::/restapis/{own}", tags={"CostCenter": "other"})
    gateway.delete_rest_api(restApiId=own)


def test_a_bucket_zone_or_certificate_of_others_stays_theirs(
    attacker: Clients, root: Clients, project: Project
) -> None:
    bucket = f"foreign-{project.suffix}"
    root("s3").create_bucket(Bucket=bucket)
    assert refused(attacker("s3").put_bucket_policy, Bucket=bucket, Policy=EVERYTHING)
    tags = [{"Key": name, "Value": value} for name, value in OURS.items()]
    assert refused(attacker("s3").put_bucket_tagging, Bucket=bucket, Tagging={"TagSet": tags})
    assert refused(attacker("s3").delete_bucket, Bucket=bucket)
    zone = root("route53").create_hosted_zone(Name="foreign.example", CallerReference=f"f-{project.suffix}")
    named = {"HostedZoneId": zone["HostedZone"]["Id"].rpartition("/")[2]}
    record = {"Name": "x.foreign.example", "Type": "TXT", "TTL": 1, "ResourceRecords": [{"Value": '"x"'}]}
    batch = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    assert refused(attacker("route53").change_resource_record_sets, **named, ChangeBatch=batch)
    assert refused(
        attacker("route53").change_tags_for_resource,
        ResourceType="hostedzone",
        ResourceId=named["HostedZoneId"],
        AddTags=tags,
    )
    theirs = [{"Key": "Application", "Value": "another"}]
    arn = root("acm").request_certificate(DomainName="foreign.example", Tags=theirs)["CertificateArn"]
    assert refused(attacker("acm").add_tags_to_certificate, CertificateArn=arn, Tags=tags)
    assert refused(attacker("acm").delete_certificate, CertificateArn=arn)
