"""Removes an environment in the right order, data last and only when asked. Repeating it goes on where it stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import BotoCoreError, ClientError

from payctl.environment import TURN_ON, Environment, Survey
from payctl.environments import contents, preflight
from payctl.environments.removal import remove_global
from payctl.payments.due import index
from payctl.regions.running import running_executions
from stacksets.errors import InterruptedRunError, RegionsFailedError, ToolError
from stacksets.model import Definition, InstanceStatus, StackStatus

# A request that came in before the intake stopped ends within 8 (docs/design.md, "Answers of the API")
IN_FLIGHT_SECONDS = 10.0
GO_BACK = "`payctl rollback` turns it on, or `payctl deploy` of what is corrected; then repeat the command"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to destroy. `quiet_seconds` is how long open payments may take to finish."""

    delete_data: bool = False
    discard_open: bool = False
    quiet_seconds: float = 600.0
    confirm: Callable[[Sequence[str]], bool] = field(default=lambda _: True)


def destroy(environment: Environment, options: Options) -> bool:
    """Remove the environment; False where there was nothing. Raises ToolError, which says what is true now."""
    report = environment.report
    report.phase("Look at what is there")
    if _look(environment, options) is None:
        return False
    if not options.confirm(steps(environment, options)):
        raise ToolError("nothing was changed")
    survey = _look(environment, options)  # another run may have been at work while the operator was asked
    if survey is None:
        return False
    if failed := [region for region in survey.broken if survey.instances[region].status != InstanceStatus.INOPERABLE]:
        # An update would create their stacks once more; it leaves alone what is INOPERABLE.
        report.phase("Delete what failed to be created")
        environment.runner.remove(environment.cloud.account, failed)
        survey = environment.survey()
    if survey.stack_set and survey.usable:
        report.phase("Stop the intake and finish what is open")
        was_on = not _intake_is(survey, "off")
        try:
            _intake(environment, survey, on=False)
            _wait_until_quiet(environment, survey, options)
            _require_as_left(environment, options)
        except BaseException as error:
            _leave(environment, error, was_on=was_on)
            raise
    report.phase("Delete the global stack")
    remove_global(environment, environment.stacks(environment.home).describe(environment.names.global_stack))
    if options.delete_data:
        report.phase("Empty the receipts buckets")
        _require_as_left(environment, options)
        contents.stop_replication(environment)
        contents.empty(environment)
    report.phase("Delete the regional stacks")
    environment.runner.remove(
        environment.cloud.account,
        tuple(survey.instances),
        working=True,
        require=lambda: _require_as_left(environment, options),
    )
    environment.stack_set.delete()
    return True


def _look(environment: Environment, options: Options) -> Survey | None:
    """What is there, None for nothing. Raises ToolError where it must stay. Read only."""
    environment.runner.settle()
    survey = environment.survey()
    preflight.refuse_changed_regions(environment, survey)
    if survey.stack_set is None and survey.global_stack.status.absent:
        return None
    _refuse_protected(environment, survey)
    _refuse_subscriptions(environment, survey)
    if not options.delete_data:
        _refuse_data(environment, survey)
    return survey


def _require_as_left(environment: Environment, options: Options) -> None:
    """A deployment by somebody else turns the intake on again, and what comes in then would be deleted unseen. Raises
    ToolError. Read only."""
    survey = environment.survey()
    if survey.usable and not _intake_is(survey, "off"):
        raise ToolError(
            f"{_so_far(environment, survey)}: the intake has been turned on since this run turned it off",
            remedy="another run is at work: see `payctl status`, then repeat the command",
        )
    if not options.delete_data:
        _refuse_data(environment, survey)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What destroying would do: steps in order, what stays and why, and what stands in the way."""

    steps: tuple[str, ...]
    kept: tuple[str, ...]
    obstacles: tuple[str, ...]


def plan(environment: Environment, *, delete_data: bool) -> Plan:
    """Look, and change nothing. Read only."""
    survey = environment.survey()
    obstacles: list[str] = []
    try:
        _refuse_protected(environment, survey)
    except ToolError as error:
        obstacles.append(str(error))
    obstacles += [f"{line}: remove it first" for line in contents.subscriptions(environment)]
    if not delete_data:
        obstacles += [f"{line}: needs --delete-data" for line in contents.inventory(environment)]
    waiting = index.counts(environment)
    obstacles += [f"{region}: {count} open payments finish first" for region, count in waiting.items() if count]
    return Plan(
        steps=steps(environment, Options(delete_data=delete_data)),
        kept=(
            "stack payment-bootstrap with its buckets and roles: the account's other environments use them",
            "the code packages in the artifact buckets: other environments may run the same code",
            "the keys, for 7 days: AWS deletes none at once",
            "DynamoDB's backup of a deleted table with point-in-time recovery, for 35 days: AWS makes it by itself",
            "CloudWatch metrics, for 15 months: AWS deletes none",
            *_validation_record(environment),
        ),
        obstacles=tuple(obstacles),
    )


def _validation_record(environment: Environment) -> tuple[str, ...]:
    """Both stay: the StackSet's role may delete no certificate (docs/design.md, "The boundary"), and CloudFormation no
    validation record (docs/aws.md, "Certificates wait for DNS")."""
    domain = environment.settings.domain
    if not domain.name or domain.certificate_arns:
        return ()
    return (
        f"the certificates of {domain.name}, one a Region, which cost nothing: delete them by hand",
        f"ACM's validation record of {domain.name} (CNAME) in hosted zone {domain.hosted_zone_id}: remove it by hand "
        "unless another certificate of that name uses it",
    )


def steps(environment: Environment, options: Options) -> tuple[str, ...]:
    """What destroying does, in order, in words."""
    names, regions = environment.names, ", ".join(environment.regions)
    stop = "stop here if a bucket or a table holds anything"
    empty = "turn replication off, deny puts and delete every version in the receipts buckets"
    return (
        "stop the intake: API throttled to 0, schedules off",
        f"wait until no payment is open and no workflow runs, {options.quiet_seconds:.0f} s at most",
        *(() if options.delete_data else (stop,)),
        f"delete {names.global_stack} in {environment.home}: table {names.table} with its replicas, dashboard, inbox",
        *((empty,) if options.delete_data else ()),
        f"delete the stacks of {names.stack_set} in {regions}: registers, buckets, keys (7 days of grace)",
        f"delete StackSet {names.stack_set}",
    )


def _refuse_protected(environment: Environment, survey: Survey) -> None:
    deployed = (survey.stack_set.parameters if survey.stack_set else {}, survey.global_stack.parameters)
    if environment.settings.protect or any(parameters.get("Protect") == "true" for parameters in deployed):
        raise ToolError(
            f"environment {environment.settings.environment} is protected",
            remedy="set options.protect = false, run `payctl deploy`, then destroy",
        )


def _refuse_subscriptions(environment: Environment, survey: Survey) -> None:
    """Their Region's stack could not be deleted, and everything else would be gone by then."""
    if kept := contents.subscriptions(environment):
        raise ToolError(
            f"{_so_far(environment, survey)}: {'; '.join(kept)}",
            remedy="ask whoever subscribed to remove the rule (`aws events remove-targets`, `delete-rule`), then "
            "run `payctl destroy` again",
        )


def _refuse_data(environment: Environment, survey: Survey) -> None:
    if kept := contents.inventory(environment):
        raise ToolError(
            f"{_so_far(environment, survey)}: {'; '.join(kept)}",
            remedy="copy what you need, then run `payctl destroy --delete-data`",
        )


def _intake(environment: Environment, survey: Survey, *, on: bool) -> None:
    """One StackSet update of the parameter Intake, all at once. What the StackSet says is no more than what was asked:
    an update that failed is remembered too, so the stacks are looked at."""
    wanted = "on" if on else "off"
    seen = survey.stack_set
    if seen is None or _intake_is(survey, wanted):
        return

    def start(token: str) -> None:
        present = environment.stack_set.describe() or seen  # as an operation that was waited for has left it
        definition = Definition(parameters={**present.parameters, "Intake": wanted}, tags=present.tags)
        environment.stack_set.update(
            definition,
            token=token,
            order=environment.update_order,
            parallel=True,
            **environment.cloud.stack_set_roles,
        )

    environment.runner.run(f"intake-{wanted}", start)


def _intake_is(survey: Survey, wanted: str) -> bool:
    """Whether the StackSet and every stack say "on", or "off"."""
    told = survey.stack_set.parameters if survey.stack_set else {}
    parameters = [told, *(survey.stacks[region].parameters for region in survey.usable)]
    return all(each.get("Intake") == wanted for each in parameters)


def _takes_payments(survey: Survey) -> bool:
    """Whether the global stack is there, with the table that payments are told in."""
    status = survey.global_stack.status
    return status.usable and status is not StackStatus.DELETE_IN_PROGRESS


def _so_far(environment: Environment, survey: Survey) -> str:
    """What a run that breaks off before it deletes anything says of that: an earlier one may have."""
    if _takes_payments(survey):
        return "nothing was deleted"
    return f"nothing more was deleted ({environment.names.global_stack} is {survey.global_stack.status})"


def _leave(environment: Environment, broke: BaseException, *, was_on: bool) -> None:
    """Leave a working environment behind where this run has found one, else the intake off: without the global stack
    what it took would be charged, and be in no public record. Raises ToolError where it cannot be turned on."""
    note = environment.report.note
    try:
        survey = environment.survey()
        if not _takes_payments(survey):
            stack = f"{environment.names.global_stack} is {survey.global_stack.status}"
            note(f"the intake stays off ({stack}): finish `payctl destroy`")
        elif not was_on:
            note(f"the intake stays off, as it was: {TURN_ON}")
        else:
            _intake(environment, survey, on=True)
            note("nothing was deleted, and the intake is on again")
    except RegionsFailedError as error:
        # What a deployment that failed has left the StackSet with fails again with each change of a parameter.
        raise RegionsFailedError(
            f"the intake may be off, and was not turned on again: {error.message}", error.causes, remedy=GO_BACK
        ) from broke
    except (ToolError, ClientError, BotoCoreError, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt | InterruptedRunError)
        kind = InterruptedRunError if interrupted else ToolError
        said = str(error) or "interrupted"
        raise kind(f"the intake may be off, and was not turned on again: {said}", remedy=TURN_ON) from broke


def _wait_until_quiet(environment: Environment, survey: Survey, options: Options) -> None:
    """The schedules are off: the janitors are called from here until they have finished what is open."""
    report = environment.report
    for waited in environment.pace.ticks(options.quiet_seconds):
        waiting, running = index.counts(environment), running_executions(environment)
        for region in environment.regions:
            state = "WAITING" if waiting[region] or running[region] else "QUIET"
            report.line(region, state, f"{waiting[region]} open payments, {running[region]} workflows")
        busy = [region for region in environment.regions if waiting[region] or running[region]]
        if not busy:
            return
        if options.discard_open:
            report.note("open payments are discarded, as asked")
            return
        if waited > IN_FLIGHT_SECONDS:
            index.bring_forward(environment)
        contents.call_janitors(environment, [region for region in environment.regions if waiting[region]])
    raise ToolError(
        f"{_so_far(environment, survey)}: payments are still open in {', '.join(busy)}",
        remedy="see `payctl parked`, or give them up with --discard-open",
    )
