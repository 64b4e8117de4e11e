"""`payctl rollback` on small templates: what it deploys again, and what it refuses."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from payments.release import OLDEST_READER, RELEASE

from payctl.environments import rollback
from payctl.environments.rollback import Wish
from payctl.releases import package
from payctl.releases.records import KEPT, Records, Release, numbers
from stacksets.errors import ToolError
from tests.payctl import small
from tests.payctl.conftest import Project

LONG = pytest.mark.evidence


def number(project: Project, release: int, oldest: int) -> None:
    text = f"from typing import Final\n\nRELEASE: Final = {release}\nOLDEST_READER: Final = {oldest}\n"
    (project.folder / "lambda" / "payments" / "release.py").write_text(text)


def no_checkout(project: Project) -> None:
    """What is deployed again does not come from here."""
    shutil.rmtree(project.folder / "lambda")
    for name in ("regional", "global"):
        (project.folder / "templates" / f"{name}.json").unlink()


def back(project: Project, **wish: Any) -> rollback.RolledBack:
    return rollback.rollback(project.environment(), Wish(quiet_seconds=0, **wish))


def deployed(project: Project) -> dict[str, str]:
    found = project.environment().stack_set.describe()
    assert found
    return dict(found.parameters)


@pytest.fixture
def two(project: Project) -> Project:
    """An environment that had two releases: other code, another template and another setting."""
    project.deploy()
    project.code("print('two')")
    project.write(regional=small.regional(retention="600"))
    settings = project.folder / "deployment.toml"
    settings.write_text(settings.read_text().replace("api_rate = 200", "api_rate = 300"))
    project.deploy()
    return project


def test_code_template_and_settings_of_then_are_deployed_without_a_checkout(
    two: Project, aws: Callable[[str, str], Any]
) -> None:
    first, second = Records(two.environment()).all()
    no_checkout(two)
    done = back(two)
    assert done.release.id == first.id
    assert done.steps
    assert done.unfinished == ()
    assert (deployed(two)["CodeHash"], deployed(two)["ApiRate"]) == (first.code_hash, "200")
    for region in ("us-east-1", "eu-west-1", "ap-southeast-1"):
        queues = aws("sqs", region)
        url = queues.get_queue_url(QueueName=f"payment-dead-letters-{region}-{two.suffix}")["QueueUrl"]
        kept = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["MessageRetentionPeriod"])["Attributes"]
        assert kept == {"MessageRetentionPeriod": "300"}
    after = Records(two.environment()).all()
    assert [(each.id, each.good) for each in after] == [(second.id, False), (first.id, True)]
    with pytest.raises(ToolError, match="no record of a good release before"):
        back(two)  # never to and fro


@pytest.mark.parametrize(
    ("step", "good"),
    [
        pytest.param("environments.preflight.require", 3, marks=LONG),
        ("releases.package.upload_code", 3),
        pytest.param("environments.deploy.Deployment._upload", 3, marks=LONG),
        ("environments.deploy.Deployment._regional", 2),
        ("environments.health.health", 2),
        ("environments.rollback._wait", 2),
    ],
)
def test_a_repeated_rollback_finishes_the_one_that_broke_off(
    two: Project, monkeypatch: pytest.MonkeyPatch, step: str, good: int
) -> None:
    """Before anything is changed, and after all is: neither to the bad release nor past the good one."""
    two.code("print('three')")
    two.deploy()
    first, second, third = Records(two.environment()).all()

    def breaks(*_: Any) -> None:
        raise ToolError("broke off")

    with monkeypatch.context() as patch:
        patch.setattr(f"payctl.{step}", breaks)
        with pytest.raises(ToolError, match="broke off"):
            back(two)
    assert [each.id for each in Records(two.environment()).all() if each.good] == [first.id, second.id, third.id][:good]
    assert rollback.plan(two.environment())[0].id == second.id
    assert back(two).release.id == second.id
    assert deployed(two)["CodeHash"] == second.code_hash
    after = Records(two.environment()).all()
    assert [(each.id, each.good) for each in after] == [(first.id, True), (third.id, False), (second.id, True)]
    assert rollback.plan(two.environment())[0].id == first.id, "the next one goes on"


@LONG
def test_what_was_left_is_good_again_once_it_is_deployed_again(two: Project) -> None:
    back(two)
    two.deploy()
    first, second = Records(two.environment()).all()
    assert (first.good, second.good) == (True, True)
    assert back(two).release.id == first.id


@LONG
def test_a_release_that_failed_half_way_is_left_for_the_one_before(project: Project) -> None:
    project.deploy()
    good = deployed(project)["CodeHash"]
    project.code("print('two')")
    project.write(regional=small.regional(broken_in="ap-southeast-1"))
    with pytest.raises(ToolError):
        project.deploy()
    assert deployed(project)["CodeHash"] != good
    assert [each.good for each in Records(project.environment()).all()] == [True, False]
    back(project)
    assert deployed(project)["CodeHash"] == good


@LONG
def test_stale_templates_of_the_checkout_do_not_matter(two: Project) -> None:
    (two.folder / "builder").mkdir()
    (two.folder / "builder" / "__main__.py").write_text("raise SystemExit('templates/regional.json is stale')")
    with pytest.raises(ToolError, match="builder/"):
        two.deploy()
    assert rollback.plan(two.environment())[1].changes
    back(two)
    assert deployed(two)["ApiRate"] == "200"


def test_a_release_by_name(two: Project) -> None:
    two.code("print('three')")
    two.deploy()
    first, *_ = Records(two.environment()).all()
    assert back(two, name=first.name).release.id == first.id
    with pytest.raises(ToolError, match=r"no record of a good release 00 \(good: "):
        back(two, name="00")


@LONG
def test_what_a_later_release_wrote_must_be_readable(project: Project) -> None:
    """Also of one that failed in the second Region: the first one has taken payments with it."""
    number(project, 1, 1)
    project.deploy()
    number(project, 2, 2)
    project.write(regional=small.regional(broken_in="ap-southeast-1"))
    with pytest.raises(ToolError):
        project.deploy()
    before = deployed(project)
    with pytest.raises(ToolError, match=r"is release 1, and what .* has written can be read by release 2 or newer"):
        back(project)
    assert deployed(project) == before
    number(project, 2, 1)  # a correction
    project.write(regional=small.regional(retention="600"))
    project.deploy()
    with pytest.raises(ToolError, match="can be read by release 2"):
        back(project)


@LONG
def test_what_holds_data_is_never_removed(project: Project) -> None:
    project.deploy()
    template = small.regional()
    template["Resources"]["More"] = {
        "Type": "AWS::S3::Bucket",
        "Properties": {"BucketName": {"Fn::Sub": "payment-receipts-more-${AWS::Region}-${AWS::AccountId}"}},
    }
    project.write(regional=template)
    project.deploy()
    before = deployed(project)
    with pytest.raises(ToolError, match=r"would remove or replace More \(AWS::S3::Bucket\) in .*, which holds data"):
        back(project)
    assert deployed(project) == before


@LONG
def test_nothing_is_changed_without_a_yes(two: Project) -> None:
    before = deployed(two)
    refused = two.payctl("rollback")
    assert (refused.returncode, deployed(two)) == (1, before)
    assert "there is no terminal" in refused.stderr
    with pytest.raises(ToolError, match="nothing was changed"):
        back(two, confirm=lambda _release, _plan: False)
    assert deployed(two) == before


@LONG
def test_the_preview_changes_nothing(two: Project) -> None:
    before = deployed(two)
    first, second = Records(two.environment()).all()
    shown = two.payctl("rollback", "--plan", "--json")
    told = json.loads(shown.stdout)
    assert (shown.returncode, bool(told["plan"]["changes"])) == (2, True)
    assert (told["release"]["name"], told["release"]["code"]) == (first.name, first.code_hash)
    assert {change["resource"] for change in told["plan"]["changes"]} >= {"Queue"}
    words = two.payctl("rollback", "--plan").stdout
    assert first.name in words
    assert max(map(len, words.partition("\n- ")[0].splitlines())) <= 80
    assert (deployed(two), Records(two.environment()).all()) == (before, (first, second))


@LONG
def test_what_was_swapped_is_not_deployed(two: Project, aws: Callable[[str, str], Any]) -> None:
    """Whoever may write to the bucket does not choose what is deployed."""
    first, second = Records(two.environment()).all()
    s3, bucket = aws("s3", "us-east-1"), Records(two.environment()).bucket
    swapped = s3.put_object(Bucket=bucket, Key=first.code.key, Body=b"other code")["VersionId"]
    try:
        moved = replace(first, code=replace(first.code, version=swapped))
        Records(two.environment()).change(lambda _: (moved, second))
        with pytest.raises(ToolError, match="is not what was deployed"):
            back(two)
    finally:  # other tests deploy the same code
        s3.delete_object(Bucket=bucket, Key=first.code.key, VersionId=swapped)


@LONG
def test_what_is_gone_is_named(two: Project, aws: Callable[[str, str], Any]) -> None:
    environment = two.environment()
    first, _ = Records(environment).all()
    aws("s3", "us-east-1").delete_object(
        Bucket=Records(environment).bucket, Key=first.code.key, VersionId=first.code.version
    )
    with pytest.raises(ToolError, match="is gone"):
        back(two)


@LONG
def test_an_environment_without_records_says_so(project: Project) -> None:
    with pytest.raises(ToolError, match="does not exist"):
        back(project)
    project.deploy()
    with pytest.raises(ToolError, match=r"no record of a good release before the one that is deployed"):
        back(project)


@LONG
def test_a_new_environment_of_the_same_name_has_no_earlier_releases(two: Project) -> None:
    assert two.payctl("destroy", "--yes", "--delete-data").returncode == 0
    assert Records(two.environment()).all() == ()


@LONG
def test_a_deployment_that_changes_nothing_records_nothing_new(two: Project) -> None:
    before = Records(two.environment()).all()
    two.deploy()
    assert Records(two.environment()).all() == before


def test_the_numbers_of_the_code_are_found() -> None:
    """Those of the code as it is, and of code from before there were any."""
    root = Path(__file__).parents[2]
    assert numbers(package.build(root / "lambda")) == (RELEASE, OLDEST_READER) == (1, 1)
    assert numbers(package.build(root / "stacksets")) == (1, 1)


def test_releases_that_failed_do_not_push_out_the_good_one(project: Project) -> None:
    """Someone tries again and again: there must be something to go back to."""
    project.deploy()
    records = Records(project.environment())
    (good,) = records.all()
    failed = [replace(good, code_hash=f"{number}", good=False) for number in range(KEPT + 5)]
    records.change(lambda known: [*known, *failed])
    kept = records.all()
    assert kept == (good, *failed[6:])
    records.change(lambda known: [*known, *(replace(each, good=True) for each in failed)])
    assert records.all() == tuple(replace(each, good=True) for each in failed[5:])


def test_a_record_that_another_run_wrote_meanwhile_is_kept(project: Project) -> None:
    project.deploy()
    records = Records(project.environment())
    (first,) = records.all()
    other, mine = (replace(first, code_hash=name) for name in ("theirs", "mine"))
    runs: list[Sequence[Release]] = []

    def change(known: Sequence[Release]) -> list[Release]:
        runs.append(known)
        if len(runs) == 1:
            records.change(lambda found: [*found, other])
        return [*known, mine]

    records.change(change)
    assert records.all() == (first, other, mine)
    assert [len(known) for known in runs] == [1, 2]
