"""What a run is about."""

from typing import NamedTuple

from tests.simulation.dice import Dice


class Options(NamedTuple):
    """What a run is about; `drawn` leaves it to the seed."""

    rail: str = "ledger"
    """ledger, processor, or mixed: a deployment changes one Region after the other."""
    deduplicates: bool = False
    cancels: bool = True
    """Whether the processor can be told to refuse a key. Where it cannot, closing a payment as not charged rests on the
    end of every function after 900 s, and on clocks that agree within 40 minutes: docs/decisions/not-charged.md."""
    clash: float = 0.1
    """Share of posts that carry another payload under the same id."""
    amnesia: str = ""
    """served: a register table is emptied and serves on (never allowed: see mutants); rejoined: it is dark until the
    operator has rejoined it."""
    dead: float = 0.3
    """Chance that a Region is lost for good."""
    harsh: bool = False
    """Nothing but the worst: requests lost, workers killed, a Region dark at the start."""
    forgets: bool = False
    """The processor forgets its keys at once (never allowed either)."""
    refuses: bool = False
    """The processor refuses every charge as it is, now and always."""
    busy: float = 0.0
    """Share of charges that a processor which deduplicates works on for a while: meanwhile the same key is answered
    409, whatever is asked."""
    announces: bool = False
    """The processor names a charge before it is made, and makes none under a name that no cell keeps."""
    unsent: float = 0.0
    """Share of charges for which no connection can be made, until all heals."""
    ballots: int = 10**6
    """From how many numbers a ballot is drawn: of two, many are equal."""
    stale: bool = False
    """Reads may show a cell as it was before its last write (never allowed)."""
    unswept: str = ""
    """A shard of the due index that no janitor looks at (never allowed)."""


def drawn(dice: Dice) -> Options:
    """The mix of a campaign: two thirds by ledger, the rest through a processor that keeps keys or does not, or both
    rails."""
    rail = dice.pick(("ledger", "ledger", "ledger", "processor", "processor", "mixed"))
    return Options(
        rail,
        deduplicates=dice.chance(0.5),
        cancels=dice.chance(0.5),
        clash=dice.pick((0.1, 0.1, 0.0, 0.5)),
        amnesia="rejoined" if dice.chance(0.05) else "",
        refuses=dice.chance(0.05),
        busy=dice.pick((0.0, 0.0, 0.2)),
        unsent=dice.pick((0.0, 0.0, 0.3)),
        ballots=dice.pick((10**6, 10**6, 10**6, 2)),
        announces=dice.chance(0.3),
    )
