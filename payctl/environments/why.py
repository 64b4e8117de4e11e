"""How an environment stands, and why: what failed in the last operation, by Region, with the fix where one is known;
what it waits for; why a deployment would be refused; what is missing; or that all is good. Read only."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from payctl.environment import INTAKE_OFF, TURN_ON, Environment, Survey
from payctl.environments import preflight
from payctl.environments.gates.refusals import refuse, told
from stacksets import causes
from stacksets.errors import Cause, ToolError
from stacksets.operation import Outcome

CERTIFICATE = "AWS::CertificateManager::Certificate"
RESUME = "`payctl deploy` resumes where it stopped"


class State(StrEnum):
    """How an environment stands."""

    GOOD = "good"
    FAILED = "failed"  # the last operation, or the global stack
    WAITS = "waits"
    REFUSED = "refused"  # the next deployment would be, before it changes anything
    HALF_DEPLOYED = "half deployed"
    NEVER_DEPLOYED = "never deployed"
    MISSING = "missing"  # while the account has other environments


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What is so, and why; `subject` is "" where all is good."""

    subject: str
    causes: tuple[Cause, ...] = ()
    state: State = State.GOOD


def why(environment: Environment, token: str = "") -> Explanation:
    """Explain an operation, or, if none is named, how the environment stands: the last operation first. Raises
    ToolError."""
    operations = environment.runner.operations()
    operation = next((each for each in operations if not token or each.id == token), None)
    if token and operation is None:
        raise ToolError(f"operation {token} is not one of {environment.names.stack_set}", remedy="see `payctl status`")
    if operation and operation.status.done:
        outcome = Outcome(operation=operation, results=environment.runner.results(operation))
        if not outcome.ok:
            title = f"operation {operation.id} ({operation.action}) of {environment.names.stack_set} {operation.status}"
            found = _causes(environment, outcome, newest=operation is operations[0])
            return Explanation(subject=title, causes=found, state=State.FAILED)
    if operation and not operation.status.done:
        title = f"operation {operation.id} ({operation.action}) of {environment.names.stack_set}"
        if waits := _waits(environment):
            return Explanation(subject=f"{title} waits", causes=waits, state=State.WAITS)
        going_on = Cause(region="", resource="", reason="it goes on", remedy="watch it with `payctl status`")
        return Explanation(subject=f"{title} {operation.status}", causes=(going_on,), state=State.WAITS)
    if token:
        return Explanation(subject="")
    return _of_global_stack(environment) or _of_what_is_there(environment, environment.survey())


def _of_what_is_there(environment: Environment, survey: Survey) -> Explanation:
    """Nothing failed: what is there, what is not, and whether a deployment would begin."""
    name = environment.names.stack_set
    if survey.stack_set is None or not survey.instances:
        others = () if survey.stack_set else _others(environment)
        state = State.MISSING if others else State.NEVER_DEPLOYED
        there = f"environment {environment.settings.environment}"
        where = f"account {environment.cloud.account} (home {environment.home})"
        subject = f"{there} does not exist in {where}" if others else f"{there} was never deployed in {where}"
        remedy = "make it with `payctl deploy`"
        if others:
            remedy = f"set ENVIRONMENT_SUFFIX to one that does ({', '.join(others)}), or {remedy}"
        lacks = [Cause(region="", resource=name, reason="there is no such StackSet", remedy=remedy)]
        if survey.stack_set:
            lacks = [Cause(region="", resource=name, reason="the StackSet has no stack in any Region", remedy=remedy)]
    else:
        lacks = list(_lacks(environment, survey))
        state = State.HALF_DEPLOYED if lacks else State.GOOD
        subject = f"environment {environment.settings.environment} is half deployed" if lacks else ""
    if refused := _refusals(environment, survey):
        return Explanation(
            subject="; ".join(filter(None, (subject, "a deployment would be refused"))),
            causes=(*refused, *lacks),
            state=State.REFUSED,
        )
    return Explanation(subject=subject, causes=tuple(lacks), state=state)


def _refusals(environment: Environment, survey: Survey) -> tuple[Cause, ...]:
    return told(
        environment,
        (
            ("what is there", lambda: refuse(environment, survey)),
            ("preflight", lambda: preflight.require(environment)),
        ),
    )


def _lacks(environment: Environment, survey: Survey) -> Iterator[Cause]:
    """What a whole environment has and this one has not."""
    for region, stack in survey.stacks.items():
        if region in survey.missing:
            yield Cause(region=region, resource="", reason="has no stack", remedy=RESUME)
        elif region in survey.broken:
            yield Cause(region=region, resource="", reason=f"its stack is {stack.status}", remedy=RESUME)
        elif region in survey.outdated:
            reason = f"did not get the last change ({survey.instances[region].status})"
            yield Cause(region=region, resource="", reason=reason, remedy=RESUME)
    for region in survey.taking_none:
        yield Cause(region=region, resource="", reason=INTAKE_OFF, remedy=TURN_ON)
    if survey.global_stack.status.absent:
        name = environment.names.global_stack
        yield Cause(region=environment.home, resource=name, reason="does not exist", remedy=RESUME)
    if not survey.linked:
        yield Cause(region="", resource="", reason="the Regions are not linked to each other", remedy=RESUME)


def _others(environment: Environment) -> tuple[str, ...]:
    """The other environments of the account in this home Region, () for who may not list them."""
    prefix = environment.names.stack_set.removesuffix(environment.settings.environment)
    try:
        names = environment.stack_set.names()
    except ToolError:
        return ()
    return tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _causes(environment: Environment, outcome: Outcome, *, newest: bool) -> tuple[Cause, ...]:
    if newest:
        return environment.runner.causes(outcome)
    # The stacks' events tell of later operations by now: what this one said of each Region has to do.
    return tuple(
        causes.find(environment.stacks(result.region), fallback=result.reason)
        for result in outcome.results
        if result.status.failed
    )


def _waits(environment: Environment) -> tuple[Cause, ...]:
    """Certificates under validation. Stopping the operation ends none: it waits for the Regions at work."""
    waits = []
    for region, stack in environment.survey().stacks.items():
        if not stack.status.endswith("_IN_PROGRESS"):
            continue
        newest = causes.newest(environment.stacks(region).events(stack.id), stack.id)
        certificate = next((event for event in newest.values() if event.kind == CERTIFICATE), None)
        if certificate and certificate.status.endswith("_IN_PROGRESS"):
            end = "cancel-update-stack" if stack.status.startswith("UPDATE") else "delete-stack"
            remedy = (
                "see `payctl preflight`: the hosted zone must be public, and the internet must be pointed to it; to "
                f"give up, `aws cloudformation {end} --stack-name {stack.name} --region {region}`"
            )
            reason = "waits for the validation of its name by DNS, for up to 36 hours"
            waits.append(Cause(region=region, resource=certificate.resource, reason=reason, remedy=remedy))
    return tuple(waits)


def _of_global_stack(environment: Environment) -> Explanation | None:
    stacks = environment.stacks(environment.home)
    stack = stacks.describe(environment.names.global_stack)
    if not (stack.status.done and stack.status.failed):
        return None
    cause = causes.of(stacks, stack)
    return Explanation(subject=f"stack {stack.name} {stack.status}", causes=(cause,), state=State.FAILED)
