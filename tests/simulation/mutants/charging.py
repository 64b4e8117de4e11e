"""What follows a decision: the one charge, result and record."""

from payments.protocol import idempotency, operations, record, settlement, sweep

from tests.simulation.mutants.runs import ANNOUNCED, KEYS_KEPT, LEDGER, MIXED, PROCESSOR, REFUSING, WORST
from tests.simulation.mutation import Edit, Mutant

CHARGING = (
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
        "name_kept_nowhere",
        "a charge is confirmed under a name that no cell has taken",
        (Edit(settlement.call, "handle=handle_in(cells)", "handle=named.text"),),
        ANNOUNCED,
    ),
    Mutant(
        "nameless_charge",
        "a charge that was named first is confirmed without its name where no cell has taken it",
        (Edit(settlement.call, "if not wanted.handle or any", "if any"),),
        ANNOUNCED,
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
        WORST._replace(harsh=False, amnesia="rejoined"),
    ),
    Mutant(
        "receipt_not_looked_for",
        "a janitor takes any answer to its look for a receipt for a yes",
        (Edit(sweep.has_receipt, "there is True or", "there is not None or"),),
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
                "    public = found or (yield from shown(payment))\n",
                "    public = found or (yield from shown(payment))\n"
                '    public = public if public and public["Status"] != "AWAITED" else {}\n',
            ),
        ),
        KEYS_KEPT,
    ),
)
