"""The idempotency rule: a permit register. Two of three Regions decide who may charge a payment, once for all repeats.

Each Region keeps one cell a payment, in a table of its own that nothing replicates. A cell only ever changes by the
conditional writes named below, so each of them is a fact about that cell at one moment:

    Region A (the opener)          cell A        cell B        cell C
    OPEN(ballot, hash)  ------->   promise       promise       promise      all three: accepted, outlives any Region
      two promises: choose         .             .             .            an accepted value among them, else (A, hash)
    VOTE(ballot, value) ------->   accept        accept        accept       two accepts: decided, for ever
      only A may charge            .             .             .
    ATTEMPT             ------->   token         .             .            \\
      the processor is called      .             .             .             } only where a processor takes the money
    RESULT              ------->   result        result        result       / two equal ones: final
      receipt, public record       .             .             .
    FINISH              ------->   due cleared   .             .            B, C: once their replica shows the record

A takeover is the same with a higher ballot and PREPARE, which a cell promises whatever payload it holds: cells that
promised it refuse the older one for good, and show what they accepted before, so whoever comes later drives the same
value; else what one of them holds. Two ballots are hardly ever equal (n * 10^6 + a draw), which only matters for
progress. A refusal is never a promise, whatever ballot it shows.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from payments.protocol.ports import LOST, Action, Answer, Cell, Context, Flow, Plain, Read, Request, Update
from payments.protocol.values import Intent, Value, read_value, value_of

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
# The processor's name for the charge that is made: the first one stays, whoever brings another.
SAME_HANDLE = "(attribute_not_exists(handle) OR handle = :handle)"
# The same result again is no conflict.
SAME_RESULT = "#result = :result"
# A cell that took another result than the final one keeps it, but need not be asked about any more.
HAS_RESULT = "attribute_exists(#result)"
# It holds a payment, at whatever stage.
HOLDS = f"(attribute_exists(#hash) OR {HAS_RESULT})"
# Nobody ruled otherwise before.
SAME_RULING = "(attribute_not_exists(ruling) OR ruling = :ruling)"
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
# The claim goes, `attempted_at` stays: that a call may have been made is never forgotten.
RELEASE = Action("RELEASE", "REMOVE attempt", f"{MY_ATTEMPT} AND {NO_RESULT}")
# No other action looks at it: it only helps to find the charge again.
HANDLE = Action("HANDLE", f"SET {CREATE_IF_EMPTY}, handle = :handle", f"{NO_RESULT} AND {SAME_HANDLE}")
REFUSE = Action("REFUSE", f"SET {CREATE_IF_EMPTY}, refused = :cause", NO_RESULT)
RESULT = Action("RESULT", f"SET {CREATE_IF_EMPTY}, #result = :result", NO_RESULT)
FINISH = Action("FINISH", "SET #result = :result REMOVE due_shard, due_at", f"{NO_RESULT} OR {SAME_RESULT}")
REST = Action("REST", "REMOVE due_shard, due_at", HAS_RESULT)
RULE = Action("RULE", "SET ruling = :ruling", f"{HOLDS} AND {SAME_RULING}")
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


class Proposal(NamedTuple):
    """What a ballot puts to the vote: a value, and the payload with its hash."""

    intent: Intent
    value: Value


def propose(ctx: Context, region: str, digest: str) -> Value:
    """A new value: this Region charges this payload, on the rail of this function's settings."""
    return value_of(region, digest, ctx.now(), ctx.rail)


@lru_cache(maxsize=256)
def due_shard(payment: str, shards: int = 16) -> str:
    """One of the partitions of the index of overdue cells, in hexadecimal. With more shards there are more names; none
    goes, so a janitor that looks at all names finds what was written under any setting."""
    return format(int(hashlib.sha256(payment.encode()).hexdigest()[:4], 16) * shards >> 16, "x")


@lru_cache(maxsize=16)
def turns(regions: tuple[str, ...], opener: str) -> Mapping[str, int]:
    """Seconds until the janitor of each Region takes over: the opener's first, then those of the next ones by rank."""
    first = regions.index(opener)
    return {region: DUE_AFTER * ((rank - first) % len(regions) + 1) for rank, region in enumerate(regions)}


def everywhere(ctx: Context, request: Callable[[str], Request]) -> Flow[dict[str, Any]]:
    """Ask all three Regions at once; the answers by Region that answered."""
    answers = yield tuple([request(region) for region in ctx.regions])
    return answered(ctx, answers)


def answered(ctx: Context, answers: Sequence[Any]) -> dict[str, Any]:
    """The answers of all three Regions, by Region that answered."""
    return {region: answer for region, answer in zip(ctx.regions, answers, strict=True) if answer is not LOST}


def read_cells(ctx: Context, payment: str) -> Flow[dict[str, Cell]]:
    """All three cells as they are now, by Region that answered."""
    answers = yield tuple([Read(region, payment) for region in ctx.regions])
    return answered(ctx, answers)


def update(ctx: Context, region: str, intent: Intent, action: Action, **values: Plain) -> Update:
    """One of the writes that add hash, intent, accepted_at and due where they are missing."""
    (write,) = updates(ctx, (region,), intent, action, values)
    return write


def updates(
    ctx: Context, regions: Iterable[str], intent: Intent, action: Action, values: Mapping[str, Plain]
) -> tuple[Update, ...]:
    """One of those writes to each of these cells. They differ in when the cell is due."""
    now, turn = ctx.now(), turns(ctx.regions, ctx.region)
    same: dict[str, Plain] = {
        "hash": intent.hash,
        "intent": intent.text,
        "now": now,
        "shard": due_shard(intent.id, ctx.shards),
    }
    return tuple(
        [Update(region, intent.id, action, {**same, "due": now + turn[region], **values}) for region in regions]
    )


def update_all(ctx: Context, intent: Intent, action: Action, **values: Plain) -> Flow[dict[str, Answer]]:
    """One of those writes to all three cells; the answers by Region that answered."""
    answers = yield updates(ctx, ctx.regions, intent, action, values)
    return answered(ctx, answers)


def open_ballot(ctx: Context, intent: Intent, number: int, action: Action) -> Flow[Opened]:
    """Ask every cell to promise a new ballot, and to hold the intent if it holds none."""
    ballot = number * BALLOTS + ctx.draw(BALLOTS)
    answers = yield from update_all(ctx, intent, action, ballot=ballot)
    return Opened(ballot, intent, answers)


def take_over(ctx: Context, payment: str, cells: Mapping[str, Cell], mine: Intent | None = None) -> Flow[Opened | None]:
    """Open a ballot above all that the cells have seen. What it carries only fills empty cells: what is proposed is
    told by the promises. None: no cell holds anything, and `mine` is none."""
    held = leading(ctx, payment, cells)
    carried = held or mine
    if carried is None:
        return None
    return (yield from open_ballot(ctx, carried, next_number(cells.values()), PREPARE if held else OPEN))


def authorize(ctx: Context, opened: Opened) -> Flow[Value | None]:
    """Who may charge: the decided value, or None when this ballot decided nothing."""
    cells = opened.cells
    known = decided(cells.values())
    if known and "due_at" in cells.get(known.region, {}):
        return known  # and the Region that charges knows of the payment
    promises = promising(opened)
    if len(promises) < 2:
        return None
    proposal = choose(ctx, opened.intent.id, promises)
    if proposal is None:
        return None
    votes = yield from vote(ctx, opened, proposal)
    if sum(answer.done for answer in votes.values()) >= 2:
        return proposal.value
    return decided(answer.cell for answer in votes.values())


def vote(ctx: Context, opened: Opened, proposal: Proposal) -> Flow[dict[str, Answer]]:
    """Put a proposal to the vote; the answers by Region that answered."""
    return (yield from update_all(ctx, proposal.intent, VOTE, ballot=opened.ballot, value=proposal.value.text))


def promising(opened: Opened) -> dict[str, Cell]:
    """The cells that promised the ballot, by Region."""
    return {region: answer.cell for region, answer in opened.answers.items() if answer.done}


def choose(ctx: Context, payment: str, promises: Mapping[str, Cell]) -> Proposal | None:
    """The accepted value of the highest ballot among the promising cells; with none, this Region for a payload that
    they show. Not this Region where its own cell is away: one whose table is down must not pin payments to itself.
    None: the payload of the accepted value is nowhere to be seen."""
    accepted = highest_accepted(promises.values())
    if accepted:
        value = read_value(str(accepted["accepted"]))
        intent = intent_with(value.hash, promises.values(), payment)
        return Proposal(intent, value) if intent else None
    intent = leading(ctx, payment, promises)
    region = ctx.region if ctx.region in promises else min(promises, key=ctx.regions.index)
    return Proposal(intent, propose(ctx, region, intent.hash)) if intent else None


def leading(ctx: Context, payment: str, cells: Mapping[str, Cell]) -> Intent | None:
    """The payload that counts while nothing is decided: that of the value accepted in the highest ballot, else one that
    two cells hold, else that of the lowest rank. None: no cell holds any."""
    accepted = highest_accepted(cells.values())
    if accepted:
        return held_intent(payment, accepted)
    intents = [held_intent(payment, cells[region]) for region in ctx.regions if "hash" in cells.get(region, {})]
    return max(intents, key=intents.count, default=None)  # of equal counts the first


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


def held_intent(payment: str, cell: Cell) -> Intent:
    """The payload that a cell holds."""
    return Intent(payment, str(cell["hash"]), str(cell["intent"]))


def intent_with(digest: str, cells: Iterable[Cell], payment: str) -> Intent | None:
    """The payload with this hash, from a cell that holds it."""
    return next((held_intent(payment, cell) for cell in cells if cell.get("hash") == digest and "intent" in cell), None)
