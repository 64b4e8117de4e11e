"""The life of a cell as one table: what each action makes of a cell in each state, when it is refused, and who does it.

`idempotency.py` says the same in DynamoDB's expressions: `tests/simulation/test_lifecycle.py` compares the two on every
reachable cell, and docs/protocol.md shows the table. No function imports this
module; `payctl payments show` names a cell by it.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, NamedTuple


class CellState(Enum):
    """How far a cell is: the last of these whose attribute it has."""

    EMPTY = "there is no item"
    HELD = "it holds a payload and has promised nothing"
    PROMISED = "it accepts no ballot below the one it promised"
    ACCEPTED = "it has accepted a value; two cells that accepted the same value in one ballot decide"
    ATTEMPTED = "one call of the processor is claimed"
    ENDED = "it shows how the payment ended, and is due until its own Region's replica shows the record"
    AT_REST = "it shows how the payment ended, and nothing is due"


class Obstacle(Enum):
    """Why a cell may refuse an action that its state allows."""

    OTHER_PAYLOAD = "holds another payload"
    HIGHER_BALLOT = "has promised a higher ballot"
    SAME_BALLOT = "has promised this ballot already"
    OTHER_ATTEMPT = "is claimed by another call"
    OTHER_HANDLE = "keeps another name of the charge"
    OTHER_RESULT = "shows another result"
    OTHER_RULING = "keeps another ruling"
    MOVED = "is no longer due when it was"


class Who(Enum):
    """Who asks for an action, and in which cells."""

    OPENER = "the Region that took the request, by POST or by a workflow that brings it, in every cell"
    SUCCESSOR = "the workflow or janitor of any Region, in every cell"
    DECIDED = "the decided Region, in its own cell"
    OWN = "any worker, in its own Region's cell"
    JANITOR = "the janitor, in its own Region's cell"
    OPERATOR = "an operator's command"


class Move(NamedTuple):
    """What an action does. It is refused in a state that `leads` does not name, and by each Obstacle in `unless`. None
    in `leads` is the state before the call was claimed.

    `sets`: the name of the value, by attribute. `creates`: adds hash, intent, accepted_at, due_shard and due_at where
    they are missing."""

    leads: Mapping[CellState, CellState | None]
    unless: tuple[Obstacle, ...]
    by: tuple[Who, ...]
    creates: bool = False
    sets: Mapping[str, str] = MappingProxyType({})
    removes: tuple[str, ...] = ()


EMPTY, HELD, PROMISED, ACCEPTED, ATTEMPTED, ENDED, AT_REST = CellState
UNFINISHED: Final = (EMPTY, HELD, PROMISED, ACCEPTED, ATTEMPTED)
"""The states without a result."""
MARKS: Final = {"attempt": ATTEMPTED, "accepted": ACCEPTED, "promised": PROMISED, "hash": HELD}
PROMISE: Final = {EMPTY: PROMISED, HELD: PROMISED, PROMISED: PROMISED, ACCEPTED: ACCEPTED, ATTEMPTED: ATTEMPTED}
LABELLED: Final = {state: HELD if state is EMPTY else state for state in UNFINISHED}
DUE: Final = ("due_shard", "due_at")
EVERYWHERE: Final = (Who.OPENER, Who.SUCCESSOR, Who.OPERATOR)

CELL: Final[Mapping[str, Move]] = {
    "OPEN": Move(
        PROMISE,
        (Obstacle.OTHER_PAYLOAD, Obstacle.HIGHER_BALLOT, Obstacle.SAME_BALLOT),
        (Who.OPENER,),
        creates=True,
        sets={"promised": "ballot"},
    ),
    "PREPARE": Move(
        PROMISE,
        (Obstacle.HIGHER_BALLOT, Obstacle.SAME_BALLOT),
        (Who.SUCCESSOR, Who.OPERATOR),
        creates=True,
        sets={"promised": "ballot"},
    ),
    "VOTE": Move(
        dict.fromkeys(UNFINISHED, ACCEPTED) | {ATTEMPTED: ATTEMPTED},
        (Obstacle.HIGHER_BALLOT,),
        EVERYWHERE,
        creates=True,
        sets={
            "hash": "hash",
            "intent": "intent",
            "promised": "ballot",
            "accepted_ballot": "ballot",
            "accepted": "value",
        },
    ),
    "ATTEMPT": Move(
        dict.fromkeys(UNFINISHED, ATTEMPTED),
        (Obstacle.OTHER_ATTEMPT,),
        (Who.DECIDED, Who.OPERATOR),
        creates=True,
        sets={"attempt": "token", "attempted_at": "now"},
    ),
    "RELEASE": Move({ATTEMPTED: None}, (Obstacle.OTHER_ATTEMPT,), (Who.DECIDED,), removes=("attempt",)),
    "HANDLE": Move(
        LABELLED, (Obstacle.OTHER_HANDLE,), (Who.OPENER, Who.SUCCESSOR), creates=True, sets={"handle": "handle"}
    ),
    "REFUSE": Move(LABELLED, (), (Who.OWN,), creates=True, sets={"refused": "cause"}),
    "RESULT": Move(dict.fromkeys(UNFINISHED, ENDED), (), EVERYWHERE, creates=True, sets={"result": "result"}),
    "FINISH": Move(
        dict.fromkeys(CellState, AT_REST),
        (Obstacle.OTHER_RESULT,),
        (Who.OWN, Who.OPERATOR),
        sets={"result": "result"},
        removes=DUE,
    ),
    "REST": Move({ENDED: AT_REST, AT_REST: AT_REST}, (), (Who.OWN,), removes=DUE),
    "RULE": Move(
        {state: state for state in CellState if state is not EMPTY},
        (Obstacle.OTHER_RULING,),
        (Who.OPERATOR,),
        sets={"ruling": "ruling"},
    ),
    "LATER": Move(
        {state: state for state in (HELD, PROMISED, ACCEPTED, ATTEMPTED, ENDED)},
        (Obstacle.MOVED,),
        (Who.JANITOR,),
        sets={"due_at": "due"},
    ),
}
"""By action of `idempotency.py`."""


def state_of(cell: Mapping[str, Any]) -> CellState:
    """The state of a cell, from its attributes."""
    if "result" in cell:
        return ENDED if "due_at" in cell else AT_REST
    return next((state for attribute, state in MARKS.items() if attribute in cell), EMPTY)
