"""The register: quorums, conditions, ballots."""

from payments.protocol import flows, idempotency

from tests.simulation.mutants.runs import CLASHES, EQUAL, LEDGER, PROCESSOR
from tests.simulation.mutation import Edit, Mutant

REGISTER = (
    # ------------------------------------------------------------------------------ the register's quorums
    Mutant(
        "vote_quorum_1",
        "one vote decides",
        (Edit(idempotency.authorize, "votes.values()) >= 2", "votes.values()) >= 1"),),
        LEDGER,
    ),
    Mutant(
        "promise_quorum_1",
        "one promise is enough to vote",
        (Edit(idempotency.authorize, "len(promises) < 2", "len(promises) < 1"),),
        LEDGER,
    ),
    Mutant(
        "accept_on_two",
        "two promises are enough to accept a payment (an earlier rule)",
        (Edit(flows.submit, "len(promising(opened)) == len(ctx.regions)", "len(promising(opened)) >= 2"),),
        CLASHES,
    ),
    Mutant(
        "accept_on_holders",
        "two cells that hold a payload, whatever they promised, are enough to accept it (an earlier rule)",
        (
            Edit(
                flows.submit,
                "len(promising(opened)) == len(ctx.regions)",
                'sum(cell.get("hash") == intent.hash for cell in opened.cells.values()) >= 2',
            ),
        ),
        CLASHES,
    ),
    Mutant(
        "refuse_on_two",
        "422 where two cells hold another payload, or one accepted it (an earlier rule)",
        (
            Edit(
                flows.undecided,
                "    if len(cells) < 2 or",
                """    others = [cell for cell in cells if cell.get("hash", intent.hash) != intent.hash]
    if len(others) >= 2 or any("accepted" in cell for cell in others):
        return 422
    if len(cells) < 2 or""",
            ),
        ),
        CLASHES,
    ),
    Mutant(
        "propose_what_was_read",
        "a takeover proposes the payload that it had read before its ballot",
        (
            Edit(
                idempotency.authorize,
                "proposal = choose(ctx, opened.intent.id, promises)",
                """proposal = choose(ctx, opened.intent.id, promises)
    if proposal and not highest_accepted(promises.values()):
        proposal = Proposal(opened.intent, propose(ctx, proposal.value.region, opened.intent.hash))""",
            ),
        ),
        CLASHES,
        rare=True,
    ),
    Mutant(
        "ignore_accepted",
        "the choice ignores what the promising cells accepted",
        (Edit(idempotency.choose, "highest_accepted(promises.values())", "None"),),
        LEDGER,
    ),
    Mutant(
        "silent_is_unanswered",
        "the choice drops what cannot be decided any more, and takes a cell that refused for one that says no",
        (
            Edit(
                idempotency.authorize,
                "proposal = choose(ctx, opened.intent.id, promises)",
                """def possible(cell):
        holders = sum(other.get("accepted") == cell.get("accepted") for other in promises.values())
        kept = holders + 3 - len(opened.answers) >= 2
        return cell if kept else {name: value for name, value in cell.items() if name != "accepted"}
    proposal = choose(ctx, opened.intent.id, {region: possible(cell) for region, cell in promises.items()})""",
            ),
        ),
        LEDGER,
    ),
    Mutant(
        "equal_ballot_promises",
        "workers share ballots, and a refusal that shows my ballot is taken for a promise",
        (
            Edit(idempotency.open_ballot, "ctx.draw(BALLOTS)", "0"),
            Edit(
                idempotency.promising,
                "if answer.done}",
                'if answer.done or answer.cell.get("promised") == opened.ballot}',
            ),
        ),
        LEDGER,
    ),
    # --------------------------------------------------------------------------- the register's conditions
    Mutant(
        "open_below_promise",
        "OPEN is granted whatever was promised",
        (Edit(idempotency.OPEN, f" AND {idempotency.ABOVE_PROMISE}", ""),),
        LEDGER,
    ),
    Mutant(
        "vote_below_promise",
        "VOTE is taken whatever was promised",
        (Edit(idempotency.VOTE, f" AND {idempotency.AT_PROMISE}", ""),),
        LEDGER,
    ),
    Mutant(
        "open_takes_any_hash",
        "OPEN takes a cell from another payload",
        (Edit(idempotency.OPEN, f" AND {idempotency.SAME_HASH}", ""),),
        CLASHES,
    ),
    Mutant(
        "strict_hash_guard",
        "no write ever passes a cell with another hash, not even for an accepted value (an earlier wording)",
        (
            Edit(idempotency.VOTE, idempotency.NO_RESULT, f"{idempotency.NO_RESULT} AND {idempotency.SAME_HASH}"),
            Edit(idempotency.PREPARE, idempotency.NO_RESULT, f"{idempotency.NO_RESULT} AND {idempotency.SAME_HASH}"),
        ),
        CLASHES,
    ),
    Mutant(
        "vote_keeps_losing_intent",
        "VOTE sets the accepted value but leaves another payload's hash and intent beside it",
        (
            Edit(idempotency.VOTE, "#hash = :hash", "#hash = if_not_exists(#hash, :hash)"),
            Edit(idempotency.VOTE, "intent = :intent", "intent = if_not_exists(intent, :intent)"),
        ),
        PROCESSOR._replace(clash=0.5),
    ),
    Mutant(
        "pinned_to_itself",
        "a Region proposes itself although its own table is away",
        (
            Edit(
                idempotency.choose,
                "ctx.region if ctx.region in promises else min(promises, key=ctx.regions.index)",
                "ctx.region",
            ),
        ),
        PROCESSOR,
        safe="for money; payments then wait for a table that is down, which is what the tests of fault 21 are about",
    ),
    # ----------------------------------------------------------------------- late duplicates, equal ballots
    Mutant(
        "open_at_promise",
        "OPEN is granted again in a ballot that was promised already",
        (Edit(idempotency.OPEN, "promised < :ballot", "promised <= :ballot"),),
        EQUAL,
    ),
)
