"""Why the last operation failed, by Region: the first real failure, with the fix where one is known. Read only."""

from dataclasses import dataclass

from payctl.environment import Environment
from stacksets import causes
from stacksets.errors import Cause, ToolError
from stacksets.operation import Outcome


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """What failed and why; `subject` is "" where nothing failed."""

    subject: str
    causes: tuple[Cause, ...] = ()


def why(environment: Environment, token: str = "") -> Explanation:
    """Explain an operation, the last one if none is named, or else the global stack. Raises ToolError."""
    operations = environment.stack_set.operations()
    operation = next((each for each in operations if not token or each.id == token), None)
    if token and operation is None:
        raise ToolError(f"operation {token} is not one of {environment.names.stack_set}", remedy="see `payctl status`")
    if operation and operation.status.done:
        outcome = Outcome(operation=operation, results=environment.stack_set.results(operation.id))
        if not outcome.ok:
            title = f"operation {operation.id} ({operation.action}) of {environment.names.stack_set} {operation.status}"
            return Explanation(subject=title, causes=_causes(environment, outcome, newest=operation is operations[0]))
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


def _global(environment: Environment) -> Explanation:
    stacks = environment.stacks(environment.home)
    stack = stacks.describe(environment.names.global_stack)
    if not (stack.status.done and stack.status.failed):
        return Explanation(subject="")
    return Explanation(subject=f"stack {stack.name} {stack.status}", causes=(causes.of(stacks, stack),))
