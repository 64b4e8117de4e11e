"""What does no harm, each with the reason."""

from payments.protocol import idempotency, operations, settlement

from tests.simulation.mutants.runs import CLASHES, MIXED, PROCESSOR
from tests.simulation.mutation import Edit, Mutant

HARMLESS = (
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
        "declined_stays_parked",
        "an operator cannot close what the processor has declined (an earlier version)",
        (Edit(operations.disagreement, 'return "" if ruling.status == NOT_CHARGED else f', "return f"),),
        MIXED._replace(dead=0.0),
        safe="every look asks the books first; and of a processor that is gone the operator closes unchecked",
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
)
