"""Whether a deployment would be refused, and why. `payctl deploy` stops at the first refusal, `payctl plan` and `payctl
why` tell them all. Read only."""

from collections.abc import Callable, Iterable, Sequence

from payctl.environment import Environment, Survey
from payctl.environments import contents, preflight
from payctl.environments.gates import freshness
from payctl.payments import merchants
from stacksets.errors import Cause, RegionsFailedError, ToolError

UNCHANGED = "nothing was changed: "

Gates = Iterable[tuple[str, Callable[[], None]]]
"""What must hold before anything is changed: what it looks at, and a call that raises ToolError where it does not."""


def refuse(environment: Environment, survey: Survey, *, recreate: Sequence[str] = (), kept: bool = False) -> None:
    """Raise ToolError where no deployment may begin, whatever it would do. `kept`: it is of a release that is kept, so
    what this folder holds does not matter."""
    if not kept:
        freshness.require(environment.settings_file)
    preflight.refuse_changed_regions(environment, survey)
    merchants.refuse_changed(survey, environment.settings)
    _lost_regions(survey, recreate)
    _half_destroyed(environment, survey)


def told(environment: Environment, gates: Gates) -> tuple[Cause, ...]:
    """Every refusal of the gates, () where a deployment would begin."""
    causes: list[Cause] = []
    for title, gate in gates:
        environment.report.phase(title)
        try:
            gate()
        except RegionsFailedError as error:
            causes += error.causes
        except ToolError as error:
            causes.append(
                Cause(region="", resource=title, reason=error.message.removeprefix(UNCHANGED), remedy=error.remedy)
            )
    return tuple(causes)


def _lost_regions(survey: Survey, recreate: Sequence[str]) -> None:
    """A Region's stack that is gone took its register along: a new, empty one would forget who may charge."""
    if not survey.linked or not survey.usable:
        return
    lost = [region for region in (*survey.missing, *survey.broken) if region not in recreate]
    if lost:
        raise ToolError(
            f"{lost[0]}: its stack is gone from a linked environment, and its payment register with it",
            remedy=f"finish a `payctl destroy`, or recreate the Region with `payctl deploy --recreate {lost[0]}` "
            f"and then run `payctl rejoin {lost[0]}`",
        )


def _half_destroyed(environment: Environment, survey: Survey) -> None:
    """Destroying turns the intake off first, and later closes the buckets behind CloudFormation's back: a deployment
    would not open them again."""
    off = survey.stack_set and survey.stack_set.parameters.get("Intake") == "off"
    if off and (closed := contents.closed(environment)):
        raise ToolError(
            f"{closed[0]}: a `payctl destroy` has emptied and closed the receipts bucket",
            remedy="finish it with `payctl destroy --delete-data`, then deploy again",
        )
