"""Production with one rule taken away, and the scenario that shows what the rule is for."""

from typing import NamedTuple

from payments.protocol import flows, idempotency, operations, settlement

from tests.search.explore import Explored, explore
from tests.search.scenarios import BY_NAME
from tests.simulation.mutation import Edit, Mutant, applied
from tests.simulation.options import Options


class Broken(NamedTuple):
    """A mutant, and the scenario in which a search finds it."""

    scenario: str
    mutant: Mutant


class Hunt(NamedTuple):
    """What a search found in a mutant. `executed`: what was changed was run at all."""

    explored: Explored
    executed: bool


def broken(scenario: str, name: str, what: str, *edits: Edit) -> Broken:
    return Broken(scenario, Mutant(name, what, edits, Options()))


BROKEN = (
    broken(
        "clash",
        "accept_on_two",
        "202 is told when two cells promised",
        Edit(flows.submit, "len(promising(opened)) == len(ctx.regions)", "len(promising(opened)) >= 2"),
    ),
    broken(
        "clash",
        "accept_on_two_holders",
        "202 is told when two cells hold the payload, at whatever moments",
        Edit(
            flows.look_again,
            "    return Reply(undecided(",
            "    if sum(cell.get('hash') == intent.hash for cell in cells.values()) >= 2:\n"
            "        return (yield from later(ctx, intent, Outcome(State.UNFINISHED)))\n"
            "    return Reply(undecided(",
        ),
    ),
    broken(
        "clash and takeover",
        "refuse_on_two",
        "422 is told when two cells hold another payload",
        Edit(
            flows.undecided,
            "    if len(cells) < 2 or",
            '    if sum(cell.get("hash", intent.hash) != intent.hash for cell in cells) >= 2:\n'
            "        return 422\n"
            "    if len(cells) < 2 or",
        ),
    ),
    broken(
        "clash and takeover",
        "refuse_on_one_accepted",
        "422 is told when a cell has accepted a value of another payload",
        Edit(
            flows.undecided,
            "    if len(cells) < 2 or",
            '    if any(f\'"hash":"{intent.hash}"\' not in cell.get("accepted", intent.hash) and "accepted" in cell'
            " for cell in cells):\n"
            "        return 422\n"
            "    if len(cells) < 2 or",
        ),
    ),
    broken(
        "twice",
        "lowest_accepted",
        "the accepted value of the lowest ballot is proposed again",
        Edit(idempotency.highest_accepted, "return max(", "return min("),
    ),
    broken(
        "twice",
        "ignore_accepted",
        "the choice ignores what the promising cells accepted",
        Edit(idempotency.choose, "highest_accepted(promises.values())", "None"),
    ),
    broken(
        "twice",
        "vote_below_promise",
        "VOTE is taken whatever was promised",
        Edit(idempotency.VOTE, f" AND {idempotency.AT_PROMISE}", ""),
    ),
    broken(
        "equal posts",
        "open_at_promise",
        "OPEN is granted again in the ballot that was promised",
        Edit(idempotency.OPEN, "promised < :ballot", "promised <= :ballot"),
    ),
    broken(
        "equal takeovers",
        "prepare_at_promise",
        "PREPARE is granted again in the ballot that was promised",
        Edit(idempotency.PREPARE, "promised < :ballot", "promised <= :ballot"),
    ),
    broken(
        "clash",
        "open_takes_any_hash",
        "OPEN takes a cell from another payload",
        Edit(idempotency.OPEN, f" AND {idempotency.SAME_HASH}", ""),
    ),
    broken(
        "read before",
        "propose_what_was_read",
        "a takeover proposes the payload that it read before its ballot",
        Edit(
            idempotency.authorize,
            "    if proposal is None:",
            "    if proposal and not highest_accepted(promises.values()):\n"
            "        read = opened.intent\n"
            "        proposal = Proposal(read, propose(ctx, proposal.value.region, read.hash))\n"
            "    if proposal is None:",
        ),
    ),
    broken(
        "clash",
        "promise_quorum_1",
        "one promise is enough to vote",
        Edit(idempotency.authorize, "len(promises) < 2", "len(promises) < 1"),
    ),
    broken(
        "twice",
        "vote_quorum_1",
        "one vote decides",
        Edit(idempotency.authorize, "votes.values()) >= 2", "votes.values()) >= 1"),
    ),
    broken(
        "charged twice",
        "attempt_unchecked",
        "ATTEMPT is not conditional on another call's",
        Edit(idempotency.ATTEMPT, f" AND {idempotency.NO_OTHER_ATTEMPT}", ""),
    ),
    broken(
        "charged twice",
        "attempt_ignored",
        "the processor is called whoever has the claim",
        Edit(settlement.claim, 'cell.get("attempt") != token', "False"),
    ),
    broken(
        "not sent",
        "release_by_any_token",
        "RELEASE undoes any call's claim",
        Edit(idempotency.RELEASE, idempotency.MY_ATTEMPT, "(attempt = :token OR attribute_exists(attempt))"),
    ),
    broken(
        "charged and taken over",
        "charge_elsewhere",
        "a Region charges what was decided for another one",
        Edit(
            settlement.claim,
            "return None if ctx.deduplicates else Outcome(State.ELSEWHERE, value=value)",
            "return None",
        ),
    ),
    broken(
        "no cancel",
        "void_at_once",
        "a payment is closed as not charged while a call may still be on its way",
        Edit(operations.call_off, "ctx.now() >= quiet_from(ctx, value, cells)", "True"),
    ),
    broken(
        "operators",
        "operator_in_result",
        "who ruled is part of the result",
        Edit(
            operations.resolve,
            "    return (yield from close(ctx, intent, result_of(intent, value, word), ruling))",
            "    result = result_of(intent, value, word)\n"
            '    result = result._replace(text=result.text[:-1] + f\',"by":"{ruling.by}"}}\')\n'
            "    return (yield from close(ctx, intent, result, ruling))",
        ),
    ),
    broken(
        "clash",
        "contested_rests",
        "nobody takes over while two payloads hold one cell each",
        Edit(
            idempotency.take_over,
            "    held = leading(ctx, payment, cells)",
            '    if len({cell["hash"] for cell in cells.values() if "hash" in cell}) > 1:\n'
            "        return None\n"
            "    held = leading(ctx, payment, cells)",
        ),
    ),
)
MUTANTS = {each.mutant.name: each for each in BROKEN}


def hunt(each: Broken, seconds: float) -> Hunt:
    """Search the scenario that a mutant is named for."""
    with applied(each.mutant) as executions:
        explored = explore(BY_NAME[each.scenario], seconds)
        return Hunt(explored, executions.any)
