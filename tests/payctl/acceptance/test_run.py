"""A run of `payctl accept` on small templates: its throwaway environment, interruption, going on, cleaning up."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from payctl.acceptance import leftovers
from payctl.acceptance import run as acceptance
from payctl.acceptance.check import Checks, Group, NotHereError, RefutedError, Stage, Verdict
from payctl.acceptance.run import Options
from payctl.acceptance.site import Site, Trace
from payctl.environment import Environment
from payctl.environments import deploy, destroy
from stacksets.errors import InterruptedRunError, ToolError
from tests.payctl.conftest import REGIONS, Project

pytestmark = pytest.mark.evidence  # each run deploys


class Run:
    """Runs with a few checks in place of the project's."""

    def __init__(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        self.project, self.checks, self.done = project, Checks(Group.PAY), list[str]()
        monkeypatch.setattr(acceptance, "chosen", lambda *_: tuple(self.checks))

        @self.checks.check("first-deployment", source="", stage=Stage.DEPLOYED)
        def made(site: Site) -> None:
            deploy.deploy(site.environment, deploy.Options(lint=False))
            self.done.append("made")

    def add(self, name: str, run: Callable[[Site], None], stage: Stage = Stage.LIVE, **more: Any) -> None:
        def noted(site: Site) -> None:
            self.done.append(name)
            run(site)

        self.checks.check(name, source="", stage=stage, **more)(noted)

    def end(self) -> None:
        self.add("destroy-same-day", self._remove, Stage.REMOVED)

    def _remove(self, site: Site) -> None:
        destroy.destroy(site.environment, destroy.Options(delete_data=True))

    def start(self, suffix: str = "", **options: Any) -> dict[str, Any]:
        environment = self.environment()
        memory = acceptance.memory_of(environment, suffix)
        environment.settings = acceptance.throwaway(environment.settings, memory)
        return acceptance.accept(environment, Options(**options), memory, Trace())

    def environment(self, name: str = "") -> Environment:
        made = self.project.environment()
        made.settings = made.settings._replace(environment=name or made.settings.environment)
        return made

    def memory(self) -> list[Path]:
        return list(acceptance.FOLDER.glob("accept-*.json"))


@pytest.fixture
def run(project: Project, monkeypatch: pytest.MonkeyPatch) -> Run:
    return Run(project, monkeypatch)


def fails(error: BaseException) -> Callable[[Site], None]:
    def raise_it(_: Site) -> None:
        raise error

    return raise_it


def test_every_verdict_is_told_with_its_evidence_and_nothing_is_left(run: Run) -> None:
    account = run.environment().cloud.account

    def look(site: Site) -> None:
        site.client("dynamodb").describe_table(TableName=site.environment.names.table)
        site.show(f"seen in account {account}")

    run.add("seen", look)
    run.add("refuted", fails(RefutedError(f"it is of {account}")))
    run.add("broken", fails(ValueError("a bug")))
    run.add("elsewhere", fails(NotHereError("no domain")))
    run.add("aws-only", fails(AssertionError()), not_local="no TLS")
    run.end()
    data = run.start()
    found = {each["id"]: each for each in data["findings"]}
    assert {name: each["verdict"] for name, each in found.items()} == {
        "first-deployment": Verdict.TRUE,
        "seen": Verdict.TRUE,
        "refuted": Verdict.FALSE,
        "broken": Verdict.FALSE,
        "elsewhere": Verdict.UNCHECKED,
        "aws-only": Verdict.UNCHECKED,
        "destroy-same-day": Verdict.TRUE,
    }
    assert data["counts"] == {"true": 3, "false": 2, "not checkable here": 2}
    assert found["seen"]["evidence"] == ["seen in account <account>"]
    assert found["refuted"]["reason"] == "it is of <account>"
    assert found["broken"]["reason"] == "ValueError: a bug"
    assert account not in str(data)
    assert run.memory() == []
    assert leftovers.find(run.environment(data["environment"])) == ()


def test_interrupted_run_goes_on_where_it_was(run: Run) -> None:
    stops = [KeyboardInterrupt()]

    def once(_: Site) -> None:
        if stops:
            raise stops.pop()

    run.add("before", lambda site: site.facts.update(known=1))
    run.add("interrupted", once)
    run.add("remembers", lambda site: site.show(str(site.facts["known"])))
    run.end()
    with pytest.raises(InterruptedRunError, match="is left as it is; repeat the command to go on, or remove it"):
        run.start()
    (file,) = run.memory()
    assert run.done == ["made", "before", "interrupted"]
    data = run.start()
    assert data["environment"] == file.stem
    assert run.done[3:] == ["interrupted", "remembers", "destroy-same-day"]
    assert data["counts"]["true"] == 5
    assert run.memory() == []


def test_clean_removes_what_a_run_left_and_no_other_environment(run: Run) -> None:
    foreign = run.environment("accept-mine")
    deploy.deploy(foreign, deploy.Options(lint=False))
    run.add("interrupted", fails(KeyboardInterrupt()))
    with pytest.raises(InterruptedRunError):
        run.start()
    (file,) = run.memory()
    queue = run.environment().cloud.sqs(REGIONS[0]).create_queue(QueueName=f"payment-probe-{file.stem}")
    asked: list[str] = []

    def agree(steps: Any) -> bool:
        asked.extend(steps)
        return True

    left = acceptance.clean(run.environment(), run.environment, agree)
    assert left == {file.stem: []}
    assert asked == [f"remove environment {file.stem} with all its payments"]
    assert queue["QueueUrl"]
    assert leftovers.find(run.environment(file.stem)) == ()
    assert run.memory() == []
    assert foreign.survey().complete, "it has such a name, and no tag"
    destroy.destroy(foreign, destroy.Options(delete_data=True))


def test_a_run_elsewhere_is_no_proof_of_what_is_here(run: Run) -> None:
    """Of another account, say, whose environment had the same name."""
    run.add("interrupted", fails(KeyboardInterrupt()))
    with pytest.raises(InterruptedRunError):
        run.start()
    assert [each.file for each in acceptance.remembered(run.environment())] == run.memory()
    (file,) = run.memory()
    file.write_text(file.read_text().replace(run.environment().cloud.account, "999999999999"))
    assert list(acceptance.remembered(run.environment())) == []
    assert acceptance.clean(run.environment(), run.environment, lambda _: True) == {file.stem: []}, "its tag says so"


def test_name_that_exists_is_refused_and_so_is_one_of_another_kind(run: Run) -> None:
    run.project.environ["ENVIRONMENT_SUFFIX"] = "accept-there"
    deploy.deploy(run.environment(), deploy.Options(lint=False))
    with pytest.raises(ToolError, match="environment accept-there exists; choose another --suffix"):
        run.start("accept-there")
    with pytest.raises(ToolError, match="prod is no name of a throwaway environment"):
        run.start("prod")
    destroy.destroy(run.environment(), destroy.Options(delete_data=True))


def test_without_consent_nothing_is_made(run: Run) -> None:
    asked: list[str] = []

    def refuse(steps: Any) -> bool:
        asked.extend(steps)
        return False

    with pytest.raises(ToolError, match="nothing was changed"):
        run.start(confirm=refuse)
    assert any(step.startswith("make environment accept-") for step in asked)
    assert any("minutes and costs nothing" in step for step in asked)
    assert run.done == []
    assert run.memory() == []


def test_kept_environment_is_not_removed(run: Run) -> None:
    run.end()
    data = run.start(keep=True)
    assert [each["verdict"] for each in data["findings"]] == [Verdict.TRUE, Verdict.UNCHECKED]
    assert data["left"]
    assert run.environment(data["environment"]).survey().complete
    data = run.start()
    assert run.done == ["made", "destroy-same-day"], "the repeated run removes it"
    assert not data["left"]


def test_throwaway_environment_has_nobodys_domain_address_processor_or_protection(project: Project) -> None:
    settings = project.environment().settings
    owned = settings._replace(
        domain=settings.domain._replace(name="pay.example.com", hosted_zone_id="Z1"),
        options=settings.options._replace(protect=True, alert_email="me@example.com"),
        processor=settings.processor._replace(url="https://psp.example.com"),
        limits=settings.limits._replace(api_rate=7),
    )
    memory = acceptance.memory_of(project.environment())
    made = acceptance.throwaway(owned, memory)
    assert (made.domain.name, made.options.alert_email, made.processor.url) == ("", "", "")
    assert (made.protect, made.limits.api_rate) == (False, 7)
    another = acceptance.memory_of(project.environment())
    asked = acceptance.throwaway(owned, another, "accept.example.com").domain
    assert (asked.name, asked.hosted_zone_id) == ("accept.example.com", "Z1")


def test_throwaway_environment_with_a_domain_has_no_more_tags_than_a_health_check_takes(project: Project) -> None:
    settings = project.environment().settings._replace(tags={f"tag-{number}": "x" for number in range(9)})
    made = [
        acceptance.throwaway(settings, acceptance.memory_of(project.environment()), domain)
        for domain in ("", "accept.example.com")
    ]
    assert [len(each.tags) for each in made] == [10, 3]
