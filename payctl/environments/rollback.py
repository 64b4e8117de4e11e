"""Goes back to a release that was good, from what was kept of it: no checkout is needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from payctl.environment import Environment, Survey
from payctl.environments.deploy import Deployment, Options
from payctl.environments.plan import Plan, Planning
from payctl.payments.due import index
from payctl.payments.due.standings import standings
from payctl.payments.registers import Registers
from payctl.releases.package import Package
from payctl.releases.records import Records, Release
from payctl.releases.templates import Template
from stacksets.errors import ToolError

MOST: Final = 100
"""Unfinished payments that are listed."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """Where to: `name` is the beginning of a release's, "" the last good one before what is deployed. `confirm` is
    asked once with the preview; False ends the run."""

    name: str = ""
    quiet_seconds: float = 180.0
    confirm: Callable[[Release, Plan], bool] = field(default=lambda _release, _plan: True)


@dataclass(frozen=True, kw_only=True)
class Open:
    """A payment that is not finished: `state` says why."""

    payment: str
    state: str


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """What was deployed again, and the payments that are not finished yet."""

    release: Release
    steps: tuple[str, ...]
    unfinished: tuple[Open, ...]


class Again(Deployment):
    """A deployment of what was kept of a release, with the parameters that it had. `later`: the releases that are
    rolled back from."""

    kept = True

    def __init__(self, environment: Environment, options: Options, release: Release, later: Sequence[Release]) -> None:
        self.release, self.later = release, later
        super().__init__(environment, options)

    def load(self) -> tuple[Template, Template, Package]:
        """From the artifact bucket."""
        records, release = Records(self.environment), self.release
        return (
            records.template("regional", release.regional),
            records.template("global", release.world),
            records.package(release),
        )

    def regional_parameters(self, code_versions: str, key_arns: Sequence[str]) -> dict[str, str]:
        """As of then."""
        return {**self.release.regional_parameters, "CodeVersions": code_versions, "KeyArns": ",".join(key_arns)}

    def global_parameters(self, key_arns: Sequence[str], *, absent: str = "") -> dict[str, str]:
        """As of then."""
        return {**self.release.global_parameters, "KeyArns": ",".join(key_arns), "AbsentReplica": absent}

    def tags(self) -> dict[str, str]:
        """As of then."""
        return dict(self.release.tags)

    def _record(self, *, good: bool) -> None:
        """It is recorded already: see `keep`."""
        if good:
            return
        # Before anything is changed: one that breaks off must not find them good when it is repeated. Not where it is
        # refused: what is deployed is as good as before.
        Records(self.environment).change(self._go_back)

    def _go_back(self, releases: Sequence[Release]) -> list[Release]:
        ids, gone = [each.id for each in releases], {release.id for release in self.later}
        at = ids.index(self.release.id) if self.release.id in ids else -1
        if set(ids[at + 1 :]) != gone:
            # Whether this release can read what another one has written was asked of those that were there.
            raise ToolError(
                "nothing was changed: a release was deployed since this run looked",
                remedy="another run is at work: see `payctl status`, then repeat the command",
            )
        return [replace(each, good=each.good and each.id not in gone) for each in releases]

    def keep(self) -> None:
        """Make it the last, once it is well and payments were waited for: until then a repeated rollback goes on with
        this release, and not to one before it."""
        super()._record(good=True)


def plan(environment: Environment, name: str = "") -> tuple[Release, Plan]:
    """The release that `rollback` would deploy, and what that changes. Raises ToolError where it could lose payments.
    Read only."""
    again, preview = _prepare(environment, name)
    return again.release, preview


def rollback(environment: Environment, wish: Wish) -> RolledBack:
    """Deploy an earlier release, then wait for open payments. Raises ToolError where it could lose any of them."""
    environment.runner.settle()
    again, preview = _prepare(environment, wish.name)
    if not wish.confirm(again.release, preview):
        raise ToolError("nothing was changed")
    done = again.run()
    unfinished = _wait(environment, wish.quiet_seconds)
    again.keep()
    return RolledBack(release=again.release, steps=done.steps, unfinished=unfinished)


def _prepare(environment: Environment, name: str) -> tuple[Again, Plan]:
    survey, releases = environment.survey(), Records(environment).all()
    if survey.stack_set is None or not survey.instances:
        raise ToolError(f"{environment.names.stack_set} does not exist", remedy="make it with `payctl deploy`")
    options = Options(lint=False)  # which it was when it was deployed
    again = _choose(environment, survey, releases, options, name)
    _refuse_unreadable(again.release, again.later)
    preview = Planning(environment, again).run()
    _refuse_loss(again.release, preview)
    return again, preview


def _choose(
    environment: Environment, survey: Survey, releases: Sequence[Release], options: Options, name: str
) -> Again:
    """To the newest good release that differs from what is deployed, or that is deployed since a rollback to it broke
    off: what was recorded after it is not good."""
    for place, release in reversed([*enumerate(releases)]):
        if release.good and release.name.startswith(name):
            again = Again(environment, options, release, releases[place + 1 :])
            if again.planned(survey) or (again.later and not any(each.good for each in again.later)):
                return again
    good = ", ".join(release.name for release in releases if release.good) or "none"
    wanted = f"a good release {name}" if name else "a good release before the one that is deployed"
    raise ToolError(
        f"{environment.settings.environment} has no record of {wanted} (good: {good})",
        remedy="deploy from a checkout of the version you want, with `payctl deploy`",
    )


def _refuse_unreadable(target: Release, later: Sequence[Release]) -> None:
    for release in reversed(later):
        if target.release < release.oldest_reader:
            raise ToolError(
                f"nothing was changed: {target.name} is release {target.release}, and what {release.name} has written "
                f"can be read by release {release.oldest_reader} or newer",
                remedy="deploy a correction with `payctl deploy`, or name a newer release with --to",
            )


def _refuse_loss(target: Release, preview: Plan) -> None:
    if lost := [change for change in preview.changes if change.loses_data]:
        change = lost[0]
        raise ToolError(
            f"nothing was changed: {target.name} would remove or replace {change.resource} ({change.kind}) in "
            f"{change.place}, which holds data",
            remedy="deploy a correction with `payctl deploy`, or name a newer release with --to",
        )
    if preview.refused:
        raise ToolError(f"nothing was changed: AWS refuses {preview.refused[0]}", remedy="deploy a correction")


def _wait(environment: Environment, seconds: float) -> tuple[Open, ...]:
    """The janitors of the release that is deployed again finish what the one before has begun. What they have not, MOST
    of it."""
    waiting = dict[str, int]()
    for _ in environment.pace.ticks(seconds):
        waiting = index.counts(environment)
        if not any(waiting.values()):
            return ()
        environment.report.line("payments", "WAITING", f"{max(waiting.values())} are not finished")
    if max(waiting.values()) > MOST:
        environment.report.note(f"{MOST} of {max(waiting.values())} payments that are not finished are listed")
    first = environment.cloud.everywhere(lambda region: [*islice(index.payments(environment, region), MOST)])
    payments = sorted(set[str]().union(*first.values()))[:MOST]
    return tuple(
        Open(payment=each.payment, state=str(each.status)) for each in standings(Registers(environment), payments)
    )
