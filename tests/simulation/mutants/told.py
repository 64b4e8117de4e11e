"""Operators, what clients are told, what is parked, and the world around."""

from payments.protocol import flows, idempotency, operations, record, rejoining, settlement

from tests.simulation.mutants.runs import COPYING, FORGETFUL, KEYS_KEPT, LEDGER, MIXED, PROCESSOR, REFUSING, SHARD
from tests.simulation.mutation import Edit, Mutant

TOLD = (
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
        "rejoin_copies_unfinished",
        "a register that lost its memory is given what both others hold, final or not, without a ballot",
        (
            Edit(rejoining.ending, 'if "result" not in cell or cell["result"] == VOID_TEXT:', 'if "hash" not in cell:'),
            Edit(rejoining.ending, "{cell['result']}", "{cell.get('result')}"),
            Edit(
                rejoining.copy_of,
                'payment, result = str(cell["TransactionId"]), read_result(str(cell["result"]))',
                'if "result" not in cell:\n'
                '        left_out = ("promised", "accepted", "accepted_ballot", "attempt", "attempted_at")\n'
                "        return {name: cell[name] for name in cell if name not in left_out}\n"
                '    payment, result = str(cell["TransactionId"]), read_result(str(cell["result"]))',
            ),
        ),
        FORGETFUL,
        rare=True,
    ),
    Mutant(
        "copies_rest_unshown",
        "what is copied is not due, whatever the lost Region's own replica shows",
        (Edit(rejoining.copy_of, "if record and (receipted or result.status != SETTLED):", "if True:"),),
        COPYING,
    ),
    Mutant(
        "never_called_waits",
        "what nobody was ever called for cannot be closed where the processor does not cancel (an earlier version)",
        (Edit(operations.never_called, "if cell is None or", "if True or"),),
        MIXED._replace(cancels=False, dead=0.0),
    ),
    # --------------------------------------------------------------------------------- what clients are told
    Mutant(
        "replay_guesses",
        "POST says that a payment has not ended where the silent cell may prove its end (an earlier version)",
        (Edit(flows.replay, "if outcome.state is State.TORN:", "if outcome.result is None:"),),
        PROCESSOR,
    ),
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
    Mutant(
        "receipt_of_another_amount",
        "receipts say another amount than was paid",
        (Edit(record.receipt, "canonical(fields)", 'canonical({**fields, "amount": "0.01"})'),),
        LEDGER,
    ),
    Mutant(
        "declined_in_the_record",
        "the public record's status is DECLINED, whatever its content says",
        (Edit(record.publish, '"status": result.status', '"status": DECLINED'),),
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
    ),
)
