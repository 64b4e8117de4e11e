"""Somebody who may write to the artifact buckets, or update functions, swaps what was built: named and refused."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from payctl.commands.app import app
from payctl.environments.drift import drift
from payctl.environments.status import status
from payctl.names import artifact_bucket
from payctl.releases import package, templates
from payctl.releases.package import Package
from payctl.releases.templates import Template
from stacksets.client import StackSetClient
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.model import Definition
from tests.payctl import small
from tests.payctl.conftest import REGIONS, Project

HOME, SECOND, THIRD = REGIONS
ACCOUNT = "000000000000"
ROLE = "payment-processor-swapped"
Aws = Callable[[str, str], Any]


@pytest.fixture
def swappable(project: Project, aws: Aws) -> Project:
    """A project with a function in every Region, a template too long for a request, and code of its own."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    try:
        aws("iam", HOME).create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))
    except aws("iam", HOME).exceptions.EntityAlreadyExistsException:
        pass
    project.write(regional=long_template(project))
    project.code(code())
    return project


def code() -> str:
    """A function's, different each time."""
    return f"def handler(event, context):\n    return '{uuid.uuid4()}'\n"


def long_template(project: Project, **properties: Any) -> dict[str, Any]:
    real = json.loads((small.REAL / "regional.json").read_text())
    function = real["Resources"]["Health"]
    template = small.regional()
    template["Mappings"] = real["Mappings"]
    template["Metadata"] = {"Padding": f"{project.suffix}{'x' * templates.BODY_LIMIT}"}
    template["Resources"]["Function"] = {
        "Type": function["Type"],
        "Properties": {
            "FunctionName": {small.SUB: "payment-processor-${AWS::Region}-${EnvironmentSuffix}"},
            "Code": function["Properties"]["Code"],
            "Handler": "payments.handler.handler",
            "Runtime": "python3.13",
            "Role": f"arn:aws:iam::{ACCOUNT}:role/{ROLE}",
            **properties,
        },
    }
    return template


def other_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("payments/handler.py", "print('stolen')")
    return buffer.getvalue()


def swap_code(aws: Aws, built: Package, *, region: str = SECOND) -> str:
    """What the attacker does; returns the version that is then the newest."""
    bucket = artifact_bucket(region, ACCOUNT)
    answer = aws("s3", region).put_object(Bucket=bucket, Key=built.key, Body=other_zip())
    return str(answer["VersionId"])


def swap_template(aws: Aws, built: Template) -> str:
    document = json.loads(built.text)
    document["Resources"]["Queue"]["Properties"]["MessageRetentionPeriod"] = "1200"
    bucket, content = artifact_bucket(HOME, ACCOUNT), json.dumps(document).encode()
    return str(aws("s3", HOME).put_object(Bucket=bucket, Key=built.key, Body=content)["VersionId"])


def running(project: Project, aws: Aws) -> set[str]:
    """The CodeSha256 that the functions of all Regions have."""
    names = project.environment().names
    found = [aws("lambda", r).get_function_configuration(FunctionName=names.processor(r)) for r in REGIONS]
    return {str(each["CodeSha256"]) for each in found}


def retentions(project: Project, aws: Aws) -> set[str]:
    names = [f"payment-dead-letters-{region}-{project.suffix}" for region in REGIONS]
    apis = [aws("sqs", region) for region in REGIONS]
    urls = [api.get_queue_url(QueueName=name)["QueueUrl"] for api, name in zip(apis, names, strict=True)]
    wanted = ["MessageRetentionPeriod"]
    return {
        str(api.get_queue_attributes(QueueUrl=url, AttributeNames=wanted)["Attributes"][wanted[0]])
        for api, url in zip(apis, urls, strict=True)
    }


def test_code_swapped_before_a_deployment_is_named_and_refused(swappable: Project, aws: Aws) -> None:
    built = package.build()
    package.upload_code(swappable.environment().cloud, built)
    before = package.upload_code(swappable.environment().cloud, built)
    version = swap_code(aws, built)
    with pytest.raises(ToolError, match="is not what was built; find out who wrote it") as caught:
        swappable.deploy()
    bucket = artifact_bucket(SECOND, ACCOUNT)
    assert caught.value.message.startswith(f"{bucket}/{built.key}, version {version}, ")
    assert swappable.environment().stack_set.describe() is None, "nothing was made of it"

    # As the remedy says:
    aws("s3", SECOND).delete_object(Bucket=bucket, Key=built.key, VersionId=version)
    assert package.upload_code(swappable.environment().cloud, built) == before


def test_template_swapped_before_a_deployment_or_plan_is_named_and_refused(swappable: Project, aws: Aws) -> None:
    built = templates.read("regional")
    package.upload_template(swappable.environment().cloud, built, region=HOME)
    version = swap_template(aws, built)
    with pytest.raises(ToolError, match=f"{built.key}, version {version}, is not what was built"):
        swappable.deploy()
    assert swappable.environment().stack_set.describe() is None


def test_what_is_swapped_between_upload_and_use_is_refused(
    swappable: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = package.build()
    upload = package.upload_template

    def upload_then_swap(*arguments: Any, **options: Any) -> str:
        address = upload(*arguments, **options)
        swap_code(aws, built)
        return address

    monkeypatch.setattr(package, "upload_template", upload_then_swap)
    with pytest.raises(ToolError, match=f"{built.key}, version .*, is not what was built"):
        swappable.deploy()
    assert swappable.environment().stack_set.describe() is None


def test_what_is_swapped_at_the_very_moment_of_use_is_not_used(
    swappable: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The versions that were compared are named, so later ones do not matter to what is deployed."""
    code, template = package.build(), templates.read("regional")
    create, create_instances, swapped = StackSetClient.create, StackSetClient.create_instances, []

    def swap_then_create(*arguments: Any, **options: Any) -> None:
        swapped.append(swap_template(aws, template))
        create(*arguments, **options)

    def swap_then_create_instances(*arguments: Any, **options: Any) -> None:
        swapped.extend(swap_code(aws, code, region=region) for region in REGIONS)
        create_instances(*arguments, **options)

    monkeypatch.setattr(StackSetClient, "create", swap_then_create)
    monkeypatch.setattr(StackSetClient, "create_instances", swap_then_create_instances)
    with pytest.raises(ToolError, match="is not what was built"):  # the next use, which links the Regions
        swappable.deploy()
    assert len(swapped) == 4
    assert running(swappable, aws) == {code.sha256}
    assert retentions(swappable, aws) == {"300"}


def test_template_that_cloudformation_took_in_another_version_is_named_afterwards(
    swappable: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should it not heed the version in an address of a StackSet's template, which is not documented."""
    swappable.deploy()
    swappable.code(code())
    built, update = templates.read("regional"), StackSetClient.update

    def update_from_the_newest(client: StackSetClient, definition: Definition, **options: Any) -> None:
        version = swap_template(aws, built)
        update(client, replace(definition, url=definition.url.partition("?")[0]), **options)
        aws("s3", HOME).delete_object(Bucket=artifact_bucket(HOME, ACCOUNT), Key=built.key, VersionId=version)

    monkeypatch.setattr(StackSetClient, "update", update_from_the_newest)
    with pytest.raises(ToolError, match=f"payments-{swappable.suffix} is not what was built"):
        swappable.deploy(parallel=True)
    assert retentions(swappable, aws) == {"1200"}
    monkeypatch.setattr(StackSetClient, "update", update)
    swappable.deploy(parallel=True)
    assert retentions(swappable, aws) == {"300"}, "a repeated deployment mends it"


def test_code_of_a_function_updated_behind_the_stacks_back_is_named_everywhere(
    swappable: Project, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVIRONMENT_SUFFIX", swappable.suffix)
    swappable.deploy()
    environment, built = swappable.environment(), package.build()
    assert status(environment).other_code == ()
    function = environment.names.processor(SECOND)
    stolen = aws("lambda", SECOND).update_function_code(FunctionName=function, ZipFile=other_zip())["CodeSha256"]

    (named,) = status(environment).other_code
    assert (named.region, named.function, named.expected, named.actual) == (SECOND, function, built.sha256, stolen)
    told = CliRunner().invoke(app, ["status", "--endpoint", swappable.endpoint])
    assert told.exit_code == 1
    shown = " ".join(told.stdout.split())
    assert f"{SECOND}: {function} is not what was deployed: CodeSha256 is {stolen}, not {built.sha256}" in shown

    (drifted,) = drift(environment)  # any is exit code 2
    (difference,) = drifted.differences
    assert (drifted.place, drifted.resource, drifted.physical_id) == (SECOND, "Function", function)
    assert (difference.expected, difference.actual) == (built.sha256, stolen)

    with pytest.raises(RegionsFailedError, match=f"other code than was built runs in {SECOND}") as caught:
        swappable.deploy()
    (cause,) = caught.value.causes
    assert (cause.region, cause.resource) == (SECOND, function)
    assert cause.reason == f"CodeSha256 is {stolen}, not {built.sha256}"

    aws("lambda", SECOND).delete_function(FunctionName=function)
    (gone,) = status(environment).other_code
    assert gone.reason == "does not exist"
