"""Deploys an environment: regional StackSet, global stack, link, verification; resumable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from payctl.environment import Environment, Survey
from payctl.environments import health, preflight
from payctl.environments.gates import lint, refusals
from payctl.environments.removal import release_replica, remove_global, unprotect
from payctl.environments.wanted import NOT_UPLOADED, Wanted
from payctl.outcomes import streams
from payctl.payments import log_key, membership
from payctl.payments.registers import Registers, wait_until_barred
from payctl.releases import package
from payctl.releases.package import Placed
from payctl.releases.records import Records
from stacksets import causes
from stacksets.errors import RegionsFailedError, ToolError
from stacksets.model import StackStatus

LINKS = ("KeyArns", *streams.NAMES)  # what the last phase tells every Region


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to deploy. `confirm` is asked once with what would be done; False ends the run. `note` is told before that,
    where there is anything to do."""

    parallel: bool = False
    wait: bool = True
    lint: bool = True
    test_faults: bool = False
    recreate: tuple[str, ...] = ()
    bar_seconds: float = 60.0
    note: str = ""
    confirm: Callable[[Sequence[str]], bool] = field(default=lambda _: True)


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What a deployment did, step by step; () where nothing was to do. `finished` is False after --no-wait."""

    steps: tuple[str, ...]
    health: dict[str, str]
    finished: bool = True


def deploy(environment: Environment, options: Options) -> Deployed:
    """Bring the environment to what templates/, lambda/ and the settings say. Raises ToolError."""
    return Deployment(environment, options).run()


class Deployment(Wanted):
    """One run of `deploy`. Each phase looks at what is there first, so that a repeated run goes on where one ended."""

    kept = False
    """Whether it is of a release that is kept, not of what this folder holds."""

    def __init__(self, environment: Environment, options: Options) -> None:
        super().__init__(environment, test_faults=options.test_faults)
        self.options = options
        self.steps: list[str] = []

    def run(self) -> Deployed:
        environment, report = self.environment, self.environment.report
        report.phase("Look at what is there")
        environment.runner.settle()
        survey = environment.survey()
        refusals.refuse(environment, survey, recreate=self.options.recreate, kept=self.kept)
        planned = self.planned(survey)
        for title, gate in self.gates() if planned else ():
            report.phase(title)
            gate()
        if planned and self.options.note:
            report.note(self.options.note)
        whole = survey.linked and survey.complete
        if whole:
            self._enrol()
        if planned:
            if not self.options.confirm(planned):
                raise ToolError("nothing was changed")
            self._upload()
            self._require_as_seen(survey)
            if survey.stack_set:
                self._record(good=False)
            self._bar_recreated(survey)
            self._regional(survey)
            if not self.options.wait:
                return Deployed(steps=tuple(self.steps), health={}, finished=False)
            if not whole:
                self._enrol()
            self._global()
            self._link()
        report.phase("Verify")
        survey = environment.survey()
        if planned:
            self._require_built(survey)
        health.require_built(environment, survey.stacks, self.package.hash)
        healthy = health.health(environment)
        self._record(good=True)
        return Deployed(steps=tuple(self.steps), health=healthy)

    def _record(self, *, good: bool) -> None:
        """For rollbacks: what writes payments from now on, and in the end that it is well."""
        Records(self.environment).record(
            package=self.package,
            regional=self.regional,
            world=self.world,
            regional_parameters=self.regional_parameters(NOT_UPLOADED, ()),
            global_parameters=self.global_parameters(()),
            tags=self.tags(),
            good=good,
        )

    def gates(self) -> refusals.Gates:
        """What a deployment that has something to do looks at first. Read only."""
        note, both = self.environment.report.note, (self.regional, self.world)
        yield "Preflight", partial(preflight.require, self.environment, both)
        if self.options.lint:
            yield "Lint the templates", partial(lint.lint, *both, self.settings.regions)
            yield "Run cfn-lint", partial(lint.cfn_lint, both, self.settings.regions, note=note)
        yield "Try the functions' code", partial(lint.code, self.package, self.regional, note=note)

    def planned(self, survey: Survey) -> tuple[str, ...]:
        """What a deployment would do, as sentences; () where nothing. Read only."""
        if survey.stack_set is None or not survey.instances:
            return (
                f"create {self.environment.names.stack_set} in {', '.join(self.settings.regions)}, all at once",
                f"create {self.environment.names.global_stack} in {self.environment.home}",
                "link the Regions",
            )
        steps = []
        if survey.broken:
            steps.append(f"delete the failed stacks in {', '.join(survey.broken)}")
        if changed := self.changed(survey):
            order = "at once" if self.options.parallel else "in turn"
            regions = [region for region in self.environment.update_order if region in survey.usable]
            steps.append(f"update {', '.join(regions)} {order} ({', '.join(changed)})")
        elif survey.outdated:
            steps.append(f"update all Regions: {', '.join(survey.outdated)} not current since the last operation")
        if gone := (*survey.broken, *survey.missing):
            steps.append(f"create {self.environment.names.stack_set} in {', '.join(gone)}")
        if gone or not survey.linked or self.global_differs(survey):
            verb = "create" if survey.global_stack.status.absent else "update"
            steps.append(f"{verb} {self.environment.names.global_stack} in {self.environment.home}")
        if not survey.linked:
            steps.append("link the Regions")
        elif gone:
            steps.append(
                f"link the Regions to {', '.join(gone)} with its new key; until then they stay linked as they are"
            )
        return tuple(steps)

    def _require_as_seen(self, survey: Survey) -> None:
        """Another run may have made a lost Region anew since, and taught it. Raises ToolError."""
        if survey.stack_set is None or survey.complete:
            return
        self.environment.runner.settle()
        now = self.environment.survey()
        changed = {*survey.broken} ^ {*now.broken} | {*survey.missing} ^ {*now.missing}
        if changed:
            raise ToolError(
                f"{', '.join(sorted(changed))}: what is there has changed since this run looked",
                remedy="another run is at work: see `payctl status`, then repeat the command",
            )

    def _bar_recreated(self, survey: Survey) -> None:
        """Nobody may ask an empty register before it has been taught: all must know that before there is one."""
        lost = [region for region in self.options.recreate if region in (*survey.missing, *survey.broken)]
        if not (lost and survey.linked):
            return
        self.environment.report.phase(f"Bar the register of {', '.join(lost)}")
        for region in lost:
            Registers(self.environment).bar(region)
        wait_until_barred(self.environment, self.options.bar_seconds)

    def _enrol(self) -> None:
        """Put a new environment's registers into use; note one that is not. Raises ToolError where two are not."""
        idle = membership.enrol_new(self.environment)
        log_key.share(self.environment)
        if len(idle) > 1:
            raise ToolError(
                "no payment can be taken: " + "; ".join(f"{region}: {reason}" for region, reason in idle.items()),
                remedy='two of three registers have forgotten: see docs/operations.md, "Two registers are lost"',
            )
        for region, reason in idle.items():
            self.environment.report.note(f"the register of {region} is not in use: {reason}; `payctl rejoin {region}`")

    def _upload(self) -> None:
        report = self.environment.report
        report.phase(f"Upload the code ({self.package.files} files, {self.package.hash[:12]})")
        for region, placed in self._place().items():
            report.line(region, "COMPLETE", "" if placed.fresh else "already there")

    def _place(self) -> dict[str, Placed]:
        """Upload code and template, or compare what lies there: again before each use, which then names the version."""
        cloud = self.environment.cloud
        code_objects = package.upload_code(cloud, self.package)
        self.code_versions = ",".join(code_objects[region].version for region in self.settings.regions)
        self._url = package.upload_template(cloud, self.regional, region=self.environment.home, administrator=True)
        return code_objects

    def _regional(self, survey: Survey) -> None:
        """Phase 1: one operation that creates all Regions, or one that updates them."""
        environment = self.environment
        environment.report.phase("1/3 Regional stacks")
        self._require_as_seen(survey)
        if survey.broken:
            for region in survey.broken:
                unprotect(environment, survey.stacks[region])
            environment.runner.remove(environment.cloud.account, survey.broken)
            self.steps.append(f"deleted failed stacks: {', '.join(survey.broken)}")
            survey = environment.survey()
        if survey.stack_set is not None and not survey.instances:
            # Without instances there is nothing to keep, and nothing that an update could fail on.
            environment.stack_set.delete()
        if survey.stack_set is None or not survey.instances:
            self._place()
            environment.stack_set.create(
                self.regional_definition(survey, self._url), **environment.cloud.stack_set_roles
            )
        elif self.changed(survey) or survey.outdated:
            self._update(survey)
        if survey.missing:
            create, account = environment.stack_set.create_instances, environment.cloud.account
            environment.runner.run(
                "create",
                lambda token: create(account, survey.missing, token=token),
                wait=self.options.wait,
                patience=preflight.patience(environment),
            )
            self.steps.append(f"created: {', '.join(survey.missing)}")

    def _update(self, survey: Survey, *, link: bool = False) -> None:
        """One update operation: in sequence, watched by the alarms; the link of a new environment all at once."""
        environment = self.environment
        parallel = (link and not survey.linked) or self.options.parallel

        def start(token: str) -> None:
            self._place()
            environment.stack_set.update(
                self.regional_definition(survey, self._url, link=link),
                token=token,
                order=environment.update_order,
                parallel=parallel,
                **environment.cloud.stack_set_roles,
            )

        guard = None if parallel else health.guard(environment, recreating=bool(self.options.recreate))
        environment.runner.run("link" if link else "update", start, guard=guard, wait=self.options.wait)
        self.steps.append("linked the Regions" if link else f"updated: {', '.join(survey.usable)}")

    def _global(self) -> None:
        """Phase 2: what spans Regions, in the home Region."""
        environment, home = self.environment, self.environment.home
        survey = environment.survey()
        environment.report.phase("2/3 Global stack")
        if not self.global_differs(survey):
            environment.report.line(home, "COMPLETE", "nothing to change")
            return
        self._url_of_world = package.upload_template(environment.cloud, self.world, region=home)
        wanted = survey.key_arns()
        keys = [*filter(None, survey.global_stack.parameters.get("KeyArns", "").split(","))] or [*wanted]
        for rank, region in enumerate(environment.regions):
            if keys[rank] != wanted[rank] and region != home:
                # The key of a replica is never changed (docs/aws.md, "Every replica has its own key").
                environment.report.note(f"the replica in {region} is dropped, and made anew with its Region's new key")
                release_replica(environment, region)
                self._apply_world(keys, absent=region)
                keys[rank] = wanted[rank]
                self._apply_world(keys)
        self._apply_world(wanted)
        self.steps.append(f"applied {environment.names.global_stack}")

    def _apply_world(self, key_arns: Sequence[str], *, absent: str = "") -> None:
        environment, home = self.environment, self.environment.home
        name, stacks = environment.names.global_stack, environment.stacks(home)
        definition = self.global_definition(key_arns, self._url_of_world, absent=absent)
        failed = stacks.describe(name)
        if failed.status.unusable and failed.status is not StackStatus.DELETE_FAILED:  # which may hold payments
            remove_global(environment, failed)
        stack = stacks.apply(name, definition, partial(environment.report.line, home))
        if stack.status.failed:
            raise RegionsFailedError(f"stack {name} ended as {stack.status}", (causes.of(stacks, stack),))

    def _require_built(self, survey: Survey) -> None:
        """What CloudFormation has read must be what was built, whatever it makes of a version in an address."""
        names = self.environment.names
        differs = [names.stack_set] if self.changed(survey) else []
        differs += [names.global_stack] if self.global_differs(survey) else []
        if differs:
            raise ToolError(f"{differs[0]} is not what was built", remedy="see `payctl plan`, then deploy again")

    def _link(self) -> None:
        """Phase 3, once in a Region's life: tell every Region the keys of the others, and its stream."""
        survey = self.environment.survey()
        wanted = self.regional_definition(survey, "", link=True).parameters
        present = survey.stack_set.parameters if survey.stack_set else {}
        if all(present.get(name) == value for name, value in wanted.items() if name in LINKS):
            return
        self.environment.report.phase("3/3 Link the Regions")
        self._update(survey, link=True)
