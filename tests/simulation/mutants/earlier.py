"""Rules of earlier versions."""

from payments.protocol import flows, idempotency, settlement

from tests.simulation.mutants.runs import CLASHES, PROCESSOR
from tests.simulation.mutation import Edit, Mutant

EARLIER = (
    Mutant(
        "three_are_void",
        "three payloads that hold one cell each are closed as VOID",
        (
            Edit(
                flows.go_further,
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
