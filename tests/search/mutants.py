"""Production with one rule taken away, and the scenario that shows what the rule is for."""

from typing import NamedTuple

from payments.protocol import flows, idempotency, operations, settlement

from tests.search.explore import Explored, explore
from tests.search.scenarios import BY_NAME
from tests.simulation.mutants import MUTANTS as CATALOGUE
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


def known(scenario: str, name: str) -> Broken:
    """A mutant of the simulation's catalogue."""
    (mutant,) = (each for each in CATALOGUE if each.name == name)
    return Broken(scenario, mutant)


def broken(scenario: str, name: str, what: str, *edits: Edit) -> Broken:
    return Broken(scenario, Mutant(name, what, edits, Options()))


BROKEN = (
    known("clash", "accept_on_two"),
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
    known("twice", "ignore_accepted"),
    known("twice", "vote_below_promise"),
    known("equal posts", "open_at_promise"),
    broken(
        "equal takeovers",
        "prepare_at_promise",
        "PREPARE is granted again in the ballot that was promised",
        Edit(idempotency.PREPARE, "promised < :ballot", "promised <= :ballot"),
    ),
    known("clash", "open_takes_any_hash"),
    known("read before", "propose_what_was_read"),
    known("clash", "promise_quorum_1"),
    known("twice", "vote_quorum_1"),
    known("charged twice", "no_attempt_guard"),
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
    known("charged and taken over", "charge_elsewhere"),
    known("no cancel", "void_at_once"),
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
    known("three", "three_are_void"),
    known("clash", "takeover_opens"),
    known("clash", "contested_rests"),
)
MUTANTS = {each.mutant.name: each for each in BROKEN}


def hunt(each: Broken, seconds: float) -> Hunt:
    """Search the scenario that a mutant is named for."""
    with applied(each.mutant) as executions:
        explored = explore(BY_NAME[each.scenario], seconds)
        return Hunt(explored, executions.any)
