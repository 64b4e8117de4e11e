"""The permit register: two of three Regions decide who may charge a payment.

Each Region keeps one cell a payment, in a table of its own that nothing replicates. A cell only ever changes by the
conditional writes named below, so each of them is a fact about that cell at one moment:

    Region A (the opener)          cell A        cell B        cell C
    OPEN(ballot, hash)  ------->   promise       promise       promise      held by two: accepted, outlives any Region
      two promises: choose         .             .             .            an accepted value among them, else (A, hash)
    VOTE(ballot, value) ------->   accept        accept        accept       two accepts: decided, for ever
      only A may charge            .             .             .
    ATTEMPT             ------->   token         .             .            \\
      the processor is called      .             .             .             } only where a processor takes the money
    RESULT              ------->   result        result        result       / two equal ones: final
      receipt, public record       .             .             .
    FINISH              ------->   due cleared   .             .            B, C: once their replica shows the record

A takeover is the same with a higher ballot: cells that promised it refuse the older one for good, and show what they
accepted before, so whoever comes later drives the same value. Two ballots are hardly ever equal (n * 10^6 + a draw),
which only matters for progress. A refusal is never a promise, whatever ballot it shows.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from payments.protocol.ports import LOST, Action, Answer, Cell, Context, Flow, Plain, Read, Request, Update
from payments.protocol.values import Intent, Value, canonical, read_value

BALLOTS: Final = 10**6
DUE_AFTER: Final = 30
"""Seconds until a janitor takes over: once for the opener's cell, twice and three times for the next ones by rank.
Above what a payment may take inline (8 s, and the gateway's 29 s)."""

# ---------------------------------------------------------------------------------------------- the conditional writes

# Nobody has written how it ended.
NO_RESULT = "attribute_not_exists(#result)"
# Nobody holds this cell for another payload.
SAME_HASH = "(attribute_not_exists(#hash) OR #hash = :hash)"
# This ballot is above everything promised here: once promised, an older one is refused for good.
ABOVE_PROMISE = "(attribute_not_exists(promised) OR promised < :ballot)"
# Nothing above this ballot was promised here since its OPEN.
AT_PROMISE = "(attribute_not_exists(promised) OR promised <= :ballot)"
# Nobody else may be charging; my own write sent twice is still mine.
NO_OTHER_ATTEMPT = "(attribute_not_exists(attempt) OR attempt = :token)"
MY_ATTEMPT = "attempt = :token"
# The same result again is no conflict.
SAME_RESULT = "#result = :result"
# A cell that took another result than the final one keeps it, but need not be asked about any more.
HAS_RESULT = "attribute_exists(#result)"
# No other janitor moved it meanwhile.
STILL_DUE_THEN = "due_at = :seen"

# Hash, intent, accepted_at and due come together or not at all.
MISSING = (
    "intent = if_not_exists(intent, :intent), accepted_at = if_not_exists(accepted_at, :now), "
    "due_shard = if_not_exists(due_shard, :shard), due_at = if_not_exists(due_at, :due)"
)
CREATE = f"#hash = :hash, {MISSING}"
CREATE_IF_EMPTY = f"#hash = if_not_exists(#hash, :hash), {MISSING}"
# A hash that lost for good gives way to that of an accepted value, and its intent with it.
REPLACE = CREATE.replace("if_not_exists(intent, :intent)", ":intent")

OPEN = Action("OPEN", f"SET {CREATE}, promised = :ballot", f"{NO_RESULT} AND {SAME_HASH} AND {ABOVE_PROMISE}")
PREPARE = Action("PREPARE", f"SET {CREATE_IF_EMPTY}, promised = :ballot", f"{NO_RESULT} AND {ABOVE_PROMISE}")
VOTE = Action(
    "VOTE",
    f"SET {REPLACE}, promised = :ballot, accepted_ballot = :ballot, accepted = :value",
    f"{NO_RESULT} AND {AT_PROMISE}",
)
ATTEMPT = Action(
    "ATTEMPT",
    f"SET {CREATE_IF_EMPTY}, attempt = :token, attempted_at = :now",
    f"{NO_RESULT} AND {NO_OTHER_ATTEMPT}",
)
RELEASE = Action("RELEASE", "REMOVE attempt, attempted_at", f"{MY_ATTEMPT} AND {NO_RESULT}")
RESULT = Action("RESULT", f"SET {CREATE_IF_EMPTY}, #result = :result", NO_RESULT)
FINISH = Action("FINISH", "SET #result = :result REMOVE due_shard, due_at", f"{NO_RESULT} OR {SAME_RESULT}")
REST = Action("REST", "REMOVE due_shard, due_at", HAS_RESULT)
LATER = Action("LATER", "SET due_at = :due", STILL_DUE_THEN)


# --------------------------------------------------------------------------------------------------------------- flows


class Opened(NamedTuple):
    """The answers to one ballot's OPEN or PREPARE, by Region that answered."""

    ballot: int
    intent: Intent
    answers: Mapping[str, Answer]

    @property
    def cells(self) -> dict[str, Cell]:
        return {region: answer.cell for region, answer in self.answers.items()}


class Takeover(NamedTuple):
    """The payload to drive. `proven`: a cell accepted a value with this hash, so no other can ever be accepted."""

    intent: Intent | None
    proven: bool = False
    void: bool = False
    """Three payloads, one cell each: none can ever be accepted."""


def propose(ctx: Context, region: str, digest: str) -> Value:
    """A new value: this Region charges this payload, on the rail of this function's settings."""
    return read_value(canonical({"region": region, "hash": digest, "at": ctx.now(), "rail": ctx.rail}))


@lru_cache(maxsize=256)
def due_shard(payment: str) -> str:
    """One of 16 partitions of the index of overdue cells."""
    return hashlib.sha256(payment.encode()).hexdigest()[0]


def everywhere(ctx: Context, request: Callable[[str], Request]) -> Flow[dict[str, Any]]:
    """Ask all three Regions at once; the answers by Region that answered."""
    answers = yield tuple(request(region) for region in ctx.regions)
    return {region: answer for region, answer in zip(ctx.regions, answers, strict=True) if answer is not LOST}


def read_cells(ctx: Context, payment: str) -> Flow[dict[str, Cell]]:
    """All three cells as they are now, by Region that answered."""
    return (yield from everywhere(ctx, lambda region: Read(region, payment)))


def update(ctx: Context, region: str, intent: Intent, action: Action, **values: Plain) -> Update:
    """One of the writes that add hash, intent, accepted_at and due where they are missing."""
    turn = (ctx.regions.index(region) - ctx.regions.index(ctx.region)) % len(ctx.regions)
    now = ctx.now()
    create: dict[str, Plain] = {
        "hash": intent.hash,
        "intent": intent.text,
        "now": now,
        "shard": due_shard(intent.id),
        "due": now + DUE_AFTER * (turn + 1),
    }
    return Update(region, intent.id, action, create | values)


def update_all(ctx: Context, intent: Intent, action: Action, **values: Plain) -> Flow[dict[str, Answer]]:
    """One of those writes to all three cells; the answers by Region that answered."""
    return (yield from everywhere(ctx, lambda region: update(ctx, region, intent, action, **values)))


def open_ballot(ctx: Context, intent: Intent, number: int, *, proven: bool = False) -> Flow[Opened]:
    """Ask every cell to promise a new ballot, and to hold the intent if it holds none."""
    ballot = number * BALLOTS + ctx.draw(BALLOTS)
    answers = yield from update_all(ctx, intent, PREPARE if proven else OPEN, ballot=ballot)
    return Opened(ballot, intent, answers)


def authorize(ctx: Context, opened: Opened) -> Flow[Value | None]:
    """Who may charge: the decided value, or None when this ballot decided nothing."""
    known = decided(opened.cells.values())
    if known and "due_at" in opened.cells.get(known.region, {}):
        return known  # and the Region that charges knows of the payment
    promises = promising(opened)
    if len(promises) < 2:
        return None
    value = choose(ctx, promises, opened.intent.hash)
    votes = yield from update_all(ctx, opened.intent, VOTE, ballot=opened.ballot, value=value.text)
    if sum(answer.done for answer in votes.values()) >= 2:
        return value
    return decided(answer.cell for answer in votes.values())


def promising(opened: Opened) -> dict[str, Cell]:
    """The cells that promised the ballot, by Region."""
    return {region: answer.cell for region, answer in opened.answers.items() if answer.done}


def choose(ctx: Context, promises: Mapping[str, Cell], digest: str) -> Value:
    """The accepted value of the highest ballot among the promising cells; with none, this Region, unless its own cell
    is away: a Region whose table is down must not pin payments to itself."""
    accepted = highest_accepted(promises.values())
    if accepted:
        return read_value(str(accepted["accepted"]))
    region = ctx.region if ctx.region in promises else min(promises, key=ctx.regions.index)
    return propose(ctx, region, digest)


def highest_accepted(cells: Iterable[Cell]) -> Cell | None:
    """The cell that accepted a value in the highest ballot of all; None when none accepted one."""
    accepted = (cell for cell in cells if "accepted" in cell)
    return max(accepted, key=lambda cell: int(cell["accepted_ballot"]), default=None)


def decided(cells: Iterable[Cell]) -> Value | None:
    """The value that two cells accepted in the same ballot, read at whatever moments."""
    votes = [(cell["accepted_ballot"], cell["accepted"]) for cell in cells if "accepted" in cell]
    twice = [vote for vote in votes if votes.count(vote) >= 2]
    return read_value(str(twice[0][1])) if twice else None


def next_number(cells: Iterable[Cell]) -> int:
    """One above every ballot seen."""
    return max((int(cell.get("promised", 0)) for cell in cells), default=0) // BALLOTS + 1


def take_over(ctx: Context, cells: Mapping[str, Cell], mine: Intent | None, payment: str) -> Takeover:
    """Which payload to drive, from the cells that answered (two or three). Without an intent it is void, or contested:
    parked until the third cell answers. `mine` is driven when no cell holds anything."""
    accepted = highest_accepted(cells.values())
    if accepted:
        return Takeover(held_intent(payment, accepted), proven=True)
    intents = {region: held_intent(payment, cell) for region, cell in cells.items() if "hash" in cell}
    if not intents:
        return Takeover(mine)
    holders = Counter(intent.hash for intent in intents.values())
    digest, count = holders.most_common(1)[0]
    if count == 1 and len(holders) > 1:
        if len(cells) < len(ctx.regions):
            return Takeover(None)
        if len(holders) == len(ctx.regions):
            return Takeover(None, void=True)
        # One each and an empty cell: neither is accepted yet, the empty cell will decide.
        first = min(intents, key=ctx.regions.index)
        digest = intents.get(ctx.region, intents[first]).hash
    return Takeover(next(intent for intent in intents.values() if intent.hash == digest))


def held_intent(payment: str, cell: Cell) -> Intent:
    """The payload that a cell holds."""
    return Intent(payment, str(cell["hash"]), str(cell["intent"]))
