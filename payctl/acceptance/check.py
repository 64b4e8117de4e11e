"""What a check is, how it ends, and how one is written down beside what it checks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any

from stacksets.errors import ToolError

if TYPE_CHECKING:
    from payctl.acceptance.site import Site


class Group(StrEnum):
    """What a check is about; checks run in this order."""

    DEPLOY = "deploy"
    PAY = "pay"
    ALARMS = "alarms"
    FAILOVER = "failover"
    OPERATE = "operate"
    DESTROY = "destroy"


class Stage(IntEnum):
    """When a check runs in the life of the throwaway environment. Those of DEPLOYED and REMOVED make and end it, and
    always run."""

    BEFORE = 0
    DEPLOYED = 1
    LIVE = 2
    LAST = 3
    REMOVED = 4
    AFTER = 5


class Verdict(StrEnum):
    """How a check ended."""

    TRUE = "true"
    FALSE = "false"
    UNCHECKED = "not checkable here"


class RefutedError(ToolError):
    """The claim is false; the message says what was seen instead."""


class NotHereError(Exception):
    """The claim cannot be checked in this account, or with these settings; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One claim about AWS that the project is built on. `claim` is one sentence, `source` says why it is assumed, and
    `not_local` why the local cloud cannot show it ("": it can); `minutes` is about how long it takes on AWS."""

    id: str
    group: Group
    stage: Stage
    claim: str
    source: str
    not_local: str
    minutes: float
    run: "Callable[[Site], None]"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How a check ended, with its evidence; `reason` is what was seen instead, or why it could not be checked."""

    id: str
    group: Group
    claim: str
    source: str
    verdict: Verdict
    reason: str
    evidence: tuple[str, ...]
    requests: tuple[dict[str, Any], ...]
    began: str
    seconds: float


class Checks:
    """The checks of one group, in the order in which they are written down."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def check(
        self,
        name: str,
        *,
        source: str,
        not_local: str = "",
        minutes: float = 0.2,
        stage: Stage = Stage.LIVE,
    ) -> "Callable[[Callable[[Site], None]], Callable[[Site], None]]":
        """Write down a function as a check of the claim that is its docstring: it returns where that holds, and raises
        RefutedError, or NotHereError, where it does not. Any other error refutes the claim too."""

        def add(run: "Callable[[Site], None]") -> "Callable[[Site], None]":
            self._checks.append(
                Check(
                    id=name,
                    group=self.group,
                    stage=stage,
                    claim=" ".join((run.__doc__ or "").split()),
                    source=source,
                    not_local=not_local,
                    minutes=minutes,
                    run=run,
                )
            )
            return run

        return add


def require(holds: object, seen: str) -> None:
    """Go on where it holds. Raises RefutedError with what was seen."""
    if not holds:
        raise RefutedError(seen)
