"""The catalogue of mutants: production with one rule taken away, and the few such changes that do no harm."""

from payments.protocol import flows, idempotency, operations, record, rejoining, settlement, sweep

from tests.simulation.mutation import Edit, Mutant
from tests.simulation.options import Options

LEDGER = Options(rail="ledger", clash=0.1)
CLASHES = Options(rail="ledger", clash=0.5)
PROCESSOR = Options(rail="processor", clash=0.1)
KEYS_KEPT = Options(rail="processor", deduplicates=True, clash=0.1)
WORST = Options(rail="ledger", clash=0.0, dead=1.0, harsh=True)
MIXED = Options(rail="mixed", clash=0.1)
EQUAL = Options(rail="ledger", clash=0.1, ballots=2)
FORGETFUL = CLASHES._replace(amnesia="rejoined", dead=0.0)
SHARD = idempotency.due_shard("p0")
REFUSING = PROCESSOR._replace(refuses=True)

MUTANTS = (
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
    # -------------------------------------------------------------------------------------- the one charge
    Mutant(
        "no_attempt_guard",
        "ATTEMPT is not conditional on another call's",
        (Edit(idempotency.ATTEMPT, f" AND {idempotency.NO_OTHER_ATTEMPT}", ""),),
        PROCESSOR,
    ),
    Mutant(
        "shared_token",
        "ATTEMPT's token names the payment, not the call",
        (Edit(settlement.charge, "token = ctx.token()", "token = intent.id"),),
        PROCESSOR,
    ),
    Mutant(
        "charge_elsewhere",
        "a Region charges what was decided for another one",
        (
            Edit(
                settlement.claim,
                "return None if ctx.deduplicates else Outcome(State.ELSEWHERE, value=value)",
                "return None",
            ),
        ),
        PROCESSOR,
    ),
    Mutant(
        "keys_for_ever",
        "a key is used again however old it is",
        (Edit(settlement.outdated, "return ctx.deduplicates and", "return False and"),),
        KEYS_KEPT,
    ),
    Mutant(
        "rail_not_pinned",
        "during a deployment each Region settles by its own rail, not by the decided one",
        (
            Edit(
                settlement.settle,
                "if value.rail == LEDGER:",
                "value = value._replace(rail=ctx.rail)\n    if value.rail == LEDGER:",
            ),
        ),
        MIXED,
    ),
    # ----------------------------------------------------------------------------------- result and record
    Mutant(
        "result_in_one_cell",
        "a result in one cell is told as final",
        (Edit(settlement.finish, "if texts.get(result.text, 0) < 2:", "if texts.get(result.text, 0) < 1:"),),
        PROCESSOR,
    ),
    Mutant(
        "operator_in_result",
        "an operator's result names the operator, so it differs from a worker's equal one (an earlier version)",
        (
            Edit(
                operations.close,
                "    needed =",
                """    text = result.text.replace('{"account"', '{"A":"' + ruling.by + '","account"')
    result = result._replace(text=text)
    needed =""",
            ),
        ),
        REFUSING._replace(clash=0.0, dead=1.0),
    ),
    Mutant(
        "impure_content",
        "the record carries the moment of the publisher, not of the decision",
        (
            Edit(
                settlement.settle,
                "conclude(intent, value, SETTLED)",
                "conclude(intent, value._replace(at=ctx.now()), SETTLED)",
            ),
        ),
        LEDGER,
    ),
    Mutant(
        "clear_before_publish",
        "due is cleared before the record is public (an earlier order)",
        (
            Edit(
                settlement.show,
                "    complete = yield from",
                '    yield (Update(ctx.region, intent.id, idempotency.FINISH, {"result": result.text}),)\n'
                "    complete = yield from",
            ),
        ),
        WORST,
    ),
    Mutant(
        "clear_everywhere",
        "whoever publishes clears due in all cells",
        (
            Edit(
                settlement.show,
                "        return (yield from rest(",
                '        done = {"result": result.text}\n'
                "        yield tuple(Update(region, intent.id, idempotency.FINISH, done) for region in ctx.regions)\n"
                "        return (yield from rest(",
            ),
        ),
        WORST,
    ),
    Mutant(
        "receipt_not_awaited",
        "due is cleared although the receipt was not written",
        (Edit(settlement.show, "if content == result.text and complete:", "if content == result.text:"),),
        WORST,
    ),
    Mutant(
        "publish_in_doubt",
        "janitors show what is in doubt in the public record, guarded by rank on the local replica",
        (
            Edit(
                settlement.settle,
                "    if outcome.result is None:\n",
                "    if outcome.result is None:\n"
                '        yield (publish(intent, conclude(intent, value, "AWAITED")),)\n',
            ),
            Edit(
                record.PUBLISH,
                "attribute_not_exists(TransactionId)",
                "attribute_not_exists(TransactionId) OR #Status < :status",
            ),
            Edit(
                sweep.sweep,
                "if public:",
                'if public and public[1].status != "AWAITED":',
            ),
        ),
        KEYS_KEPT,
    ),
    # ------------------------------------------------------------------------------------------- operators
    Mutant(
        "void_at_once",
        "an operator closes a payment as not charged while a call may still be on its way",
        (Edit(operations.call_off, "ctx.now() >= quiet_from(ctx, value, cells)", "True"),),
        PROCESSOR._replace(cancels=False, clash=0.0, dead=0.0),
    ),
    Mutant(
        "no_lookup",
        "an operator's word stands against the processor's books",
        (Edit(operations.object_to, "if not ruling.unchecked:", "if False:"),),
        PROCESSOR._replace(cancels=False),
    ),
    Mutant(
        "rejoin_by_one_peer",
        "a register that lost its memory is taught by a ballot that only one peer promised",
        (Edit(rejoining.vote_on_all, "if not needed <= promises.keys():", "if len(promises) < 1:"),),
        FORGETFUL,
    ),
    Mutant(
        "rejoin_forgets_attempt",
        "a register that may have held the claim of a call is taught as if it had not",
        (Edit(rejoining.vote_on_all, "value.region == lost and", "False and"),),
        PROCESSOR._replace(amnesia="rejoined"),
    ),
    Mutant(
        "never_called_waits",
        "what nobody was ever called for cannot be closed where the processor does not cancel (an earlier version)",
        (Edit(operations.never_called, "if ctx.deduplicates or", "if True or"),),
        MIXED._replace(cancels=False, dead=0.0),
    ),
    Mutant(
        "declined_stays_parked",
        "an operator cannot close what the processor has declined (an earlier version)",
        (Edit(operations.disagreement, 'return "" if ruling.status == NOT_CHARGED else f', "return f"),),
        MIXED._replace(dead=0.0),
    ),
    # ----------------------------------------------------------------------- late duplicates, equal ballots
    Mutant(
        "open_at_promise",
        "OPEN is granted again in a ballot that was promised already",
        (Edit(idempotency.OPEN, "promised < :ballot", "promised <= :ballot"),),
        EQUAL,
    ),
    # --------------------------------------------------------------------------------- what clients are told
    Mutant(
        "get_tells_one_cell",
        "GET tells a result that one cell holds",
        (Edit(settlement.ended, "or count >= 2", "or count >= 1"),),
        PROCESSOR,
    ),
    Mutant(
        "get_shows_first_cell",
        "GET shows the payload of the first cell, not the one that counts (an earlier version)",
        (
            Edit(
                flows.get,
                "intent = leading(ctx, payment, cells)",
                'held = [idempotency.held_intent(payment, cell) for cell in cells.values() if "hash" in cell]\n'
                "    intent = held[0] if held else None",
            ),
        ),
        PROCESSOR._replace(clash=0.5, dead=0.0),
    ),
    Mutant(
        "get_shows_anybody",
        "GET shows a payment to any account",
        (Edit(flows.owner_only, "if result.account == account", "if True"),),
        LEDGER,
    ),
    # --------------------------------------------------------------------------------------- what is parked
    Mutant(
        "refused_in_silence",
        "a processor that refuses for good is asked again for ever (an earlier version)",
        (
            Edit(settlement.waits, 'if any("refused" in cell for cell in cells.values()):', "if False:"),
            Edit(settlement.doubtful, 'if "attempt" in cell:', 'if False and "attempt" in cell:'),
        ),
        REFUSING,
    ),
    Mutant(
        "silent_region_unlisted",
        "what is decided for a Region that is lost is pending for ever, and nobody hears of it (an earlier version)",
        (Edit(settlement.doubtful, "return late(ctx, value, cells)", "return False"),),
        PROCESSOR._replace(dead=1.0),
    ),
    # ------------------------------------------------------------------------------- amounts and timestamps
    Mutant(
        "whole_seconds",
        "the public record loses what a timestamp has below the second",
        (Edit(record.publish, "Decimal(payment.timestamp).scaleb(-6)", "Decimal(payment.timestamp // 10**6)"),),
        LEDGER,
    ),
    Mutant(
        "cents",
        "every currency has two decimals",
        (Edit(record.publish, "payment.decimal", "Decimal(payment.amount).scaleb(-2)"),),
        LEDGER,
    ),
    # ------------------------------------------------------------------------------------------- the world
    Mutant("eventual_reads", "reads of a cell are not strongly consistent", (), LEDGER._replace(stale=True)),
    Mutant("unswept_shard", "janitors skip a shard of the due index", (), LEDGER._replace(unswept=SHARD)),
    Mutant("amnesia", "a register table is restored empty and serves on", (), FORGETFUL._replace(amnesia="served")),
    Mutant("key_pruned", "the processor forgets its keys sooner than it says", (), KEYS_KEPT._replace(forgets=True)),
    Mutant(
        "release_by_any_token",
        "RELEASE undoes whatever call is claimed",
        (
            Edit(
                idempotency.RELEASE, idempotency.MY_ATTEMPT, f"({idempotency.MY_ATTEMPT} OR attribute_exists(attempt))"
            ),
        ),
        PROCESSOR._replace(clash=0.0, dead=0.0, unsent=0.5),
        rare=True,
    ),
    # ----------------------------------------------------------------------------------- what does no harm
    Mutant(
        "same_ballot",
        "all workers of all Regions draw the same ballots",
        (Edit(idempotency.open_ballot, "ctx.draw(BALLOTS)", "0"),),
        CLASHES,
        safe="a cell promises a ballot once, and a refusal is never a promise: only progress suffers",
    ),
    Mutant(
        "no_release",
        "ATTEMPT is kept when the processor refused the connection",
        (Edit(settlement.charge, "if verdict is NOT_SENT and", "if False and"),),
        PROCESSOR,
        safe="the claim then stands for a call that was never made: more payments wait in doubt, none is charged twice",
    ),
    Mutant(
        "later_without_condition",
        "janitors move a due time that another one moved meanwhile",
        (
            Edit(
                idempotency.LATER,
                idempotency.STILL_DUE_THEN,
                f"{idempotency.STILL_DUE_THEN} OR attribute_exists(due_at)",
            ),
        ),
        CLASHES,
        safe="the due time only says when to look again",
    ),
    # -------------------------------------------------------------------------------- rules of earlier versions
    Mutant(
        "three_are_void",
        "three payloads that hold one cell each are closed as VOID",
        (
            Edit(
                flows.recover,
                "    value = decided(cells.values())\n",
                '    if len({cell["hash"] for cell in cells.values() if "hash" in cell}) == 3:\n'
                "        return (yield from void(ctx, payment))\n"
                "    value = decided(cells.values())\n",
            ),
        ),
        CLASHES,
    ),
    Mutant(
        "contested_rests",
        "nobody takes over while different payloads hold a cell each",
        (
            Edit(
                idempotency.take_over,
                "    held = leading(ctx, payment, cells)",
                '    if len({cell["hash"] for cell in cells.values() if "hash" in cell}) > 1:\n'
                "        return None\n"
                "    held = leading(ctx, payment, cells)",
            ),
        ),
        CLASHES,
    ),
    Mutant(
        "takeover_opens",
        "a takeover asks as a post does, and is refused by another payload",
        (Edit(idempotency.take_over, "PREPARE if held else OPEN", "OPEN"),),
        CLASHES,
    ),
    Mutant(
        "silent_region_not_looked_up",
        "nobody asks the processor about what is decided for a Region that is lost",
        (Edit(settlement.settle, "if outcome.state in PARKED:", "if False:"),),
        PROCESSOR._replace(dead=1.0),
    ),
    Mutant(
        "get_says_pending",
        "GET calls what is in doubt pending",
        (Edit(flows.standing, "return IN_DOUBT if waits(ctx, cells) else PENDING", "return PENDING"),),
        PROCESSOR,
    ),
)
