"""Why the last operation failed, by Region: the first real failure, with the fix where one is known; or what it waits
for. Read only."""

from dataclasses import dataclass

from payctl.environment import Environment
from stacksets import causes
from stacksets.errors import Cause, ToolError
from stacksets.operation import Outcome

CERTIFICATE = "AWS::CertificateManager::Certificate"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What failed and why; `subject` is "" where nothing failed."""

    subject: str
    causes: tuple[Cause, ...] = ()


def why(environment: Environment, token: str = "") -> Explanation:
    """Explain an operation, the last one if none is named, or else the global stack. Raises ToolError."""
    operations = environment.runner.operations()
    operation = next((each for each in operations if not token or each.id == token), None)
    if token and operation is None:
        raise ToolError(f"operation {token} is not one of {environment.names.stack_set}", remedy="see `payctl status`")
    if operation and operation.status.done:
        outcome = Outcome(operation=operation, results=environment.runner.results(operation))
        if not outcome.ok:
            title = f"operation {operation.id} ({operation.action}) of {environment.names.stack_set} {operation.status}"
            return Explanation(subject=title, causes=_causes(environment, outcome, newest=operation is operations[0]))
    if operation and not operation.status.done and (waits := _waits(environment)):
        title = f"operation {operation.id} ({operation.action}) of {environment.names.stack_set} waits"
        return Explanation(subject=title, causes=waits)
    return Explanation(subject="") if token else _global(environment)


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


def _global(environment: Environment) -> Explanation:
    stacks = environment.stacks(environment.home)
    stack = stacks.describe(environment.names.global_stack)
    if not (stack.status.done and stack.status.failed):
        return Explanation(subject="")
    return Explanation(subject=f"stack {stack.name} {stack.status}", causes=(causes.of(stacks, stack),))
