"""The runs in which mutants show."""

from payments.protocol import idempotency

from tests.simulation.options import Options

LEDGER = Options(rail="ledger", clash=0.1)
CLASHES = Options(rail="ledger", clash=0.5)
PROCESSOR = Options(rail="processor", clash=0.1)
KEYS_KEPT = Options(rail="processor", deduplicates=True, clash=0.1)
ANNOUNCED = PROCESSOR._replace(announces=True, harsh=True)
WORST = Options(rail="ledger", clash=0.0, dead=1.0, harsh=True)
MIXED = Options(rail="mixed", clash=0.1)
EQUAL = Options(rail="ledger", clash=0.1, ballots=2)
FORGETFUL = CLASHES._replace(amnesia="rejoined", dead=0.0)
SHARD = idempotency.due_shard("p0")
REFUSING = PROCESSOR._replace(refuses=True)
COPYING = Options(rail="processor", clash=0.3, dead=0.5, amnesia="rejoined")
