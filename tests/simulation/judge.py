"""The invariants I1 to I8 of a payments platform, checked at every change while a run goes on, and on what is left
after healing and after an operator has closed what was parked.

The judge knows the truth that no worker can see: every promise and vote ever given, every charge ever made, every word
told to a client. It never looks into a worker. `FAULTS` names what may never be found; what may be parked meanwhile,
and why, is in `parked.py`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from payments.protocol.flows import Reply
from payments.protocol.ports import LEDGER
from payments.protocol.record import read_record
from payments.protocol.values import (
    DECLINED,
    NOT_CHARGED,
    SETTLED,
    Intent,
    Result,
    conclude,
    key,
    payment_of,
    read_result,
    read_value,
    text_of,
)

from tests.simulation.papers import is_receipt, is_record
from tests.simulation.rail import Taken
from tests.simulation.world import REGIONS, Item, World

FAULTS = {
    "double_charge": "I1, I5: money taken twice, or taken while the books say otherwise",
    "disagreement": "two values decided for one payment, or two results final",
    "unheld": "I2: a client was told `accepted`: neither decided nor one ballot of it promised by all three cells",
    "wrong_payload": "I3: charged, settled or shown is not what was accepted",
    "regressed": "I4: a result in a cell or a public record was replaced by another one",
    "premature": "a client was told an end that nothing proved: two cells, a decision by ledger, or a public record",
    "broken_promise": "a client was told how it ended, and it ended otherwise, or another client heard another end",
    "wrong_refusal": "a client was told 422 before another payload was decided, or its payload was settled",
    "leaked": "a caller was shown a payment of another account",
    "lost": "I6: accepted, and without an end although all is healed and the operator has done what there is to do",
    "unlisted": "without an end, and not among what `payctl parked` lists and GET calls in doubt",
    "idle": "parked although the janitors could have finished it",
    "unclosable": "parked, and no operator's command closes it or brings back the Region that it waits for",
    "receipts": "I7: not exactly one receipt content for a settled payment, one for an unsettled payment, or one that "
    "does not say what was submitted and how it ended",
    "diverged": "replicas show different ends, or another than the final result, or none, when all is quiet",
    "stuck": "I8: a cell stays due in a living Region when all is over: janitors would never rest",
    "unexplained": "I8: a dead letter after its redrive, of a payment that is public, or is not and has not ended",
    "crashed": "production raised what no driver expects",
    "wrong_books": "I5: a public record does not say what was charged, or how its own result ended",
    "claim_taken": "I1: a call's claim was taken from it by another call",
    "unnamed": "a charge that was named first was confirmed under no name that a cell has taken",
    "unseen": "a janitor's metrics do not show what never ends, or a Region that does not answer",
    "asked": "a register was asked for a payment although it had been barred for more than a minute",
    "wrong_answer": "an answer of the API that no rule allows",
    "failed_command": "an operator's command ended with what it does not explain",
}

NO_REGION_LEFT = "no Region left"
ENDS = (SETTLED, DECLINED, NOT_CHARGED)


@lru_cache(maxsize=1000)
def kept_text(intent: Intent) -> str:
    """What a record keeps of a payload: all but the beginning of the source."""
    payment = payment_of(intent)
    return text_of(payment._replace(source=f"****{payment.source[-4:]}" if payment.source else ""))


class Violation(NamedTuple):
    """A fault, the payment it concerns, and the facts."""

    fault: str
    payment: str
    facts: str


class Judge:
    """Watches a World. `violations` is empty as long as all is well."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.counts: Counter[str] = Counter()
        self.promises: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        self.votes: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        self.results: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.promised: dict[str, set[str]] = defaultdict(set)
        self.decided: dict[str, set[str]] = defaultdict(set)
        self.final: dict[str, set[str]] = defaultdict(set)
        self.examined: dict[str, Item] = {}
        """The record of each payment that was looked at last: replicas carry the very item."""
        self.public: dict[str, set[str]] = defaultdict(set)
        self.accepted: dict[str, set[str]] = defaultdict(set)
        self.told: dict[str, set[str]] = defaultdict(set)
        self.refused: dict[str, set[str]] = defaultdict(set)
        self.submitted: dict[str, Intent] = {}
        self.charges: dict[str, list[Taken]] = defaultdict(list)

    def accuse(self, fault: str, payment: str, facts: object) -> None:
        self.counts[fault] += 1
        self.violations.append(Violation(fault, payment, str(facts)))

    # --- while the run goes on

    def cell_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        ballot, accepted = new.get("promised"), new.get("accepted_ballot")
        if accepted is not None and accepted != old.get("accepted_ballot"):
            value = str(new["accepted"])
            holders = self.votes[payment, int(accepted), value]
            holders.add(region)
            if len(holders) == 2:
                self.decided[payment].add(value)
                if len(self.decided[payment]) == 2:
                    self.accuse("disagreement", payment, self.decided[payment])
        elif ballot is not None and ballot != old.get("promised"):
            digest = str(new["hash"])
            holders = self.promises[payment, int(ballot), digest]
            holders.add(region)
            if len(holders) == len(REGIONS):
                self.promised[payment].add(digest)
        was, result = old.get("result"), new.get("result")
        if result == was:
            return
        if was is not None:
            self.accuse("regressed", payment, f"the cell in {region} said {was}, now {result}")
        holders = self.results[payment, str(result)]
        holders.add(region)
        if len(holders) == 2:
            self.final[payment].add(str(result))
            if len(self.final[payment]) == 2:
                self.accuse("disagreement", payment, self.final[payment])

    def record_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        self.public[payment].add(str(new["Content"]))
        if old and old["Content"] != new["Content"] and old["Status"] in ENDS:
            self.accuse("regressed", payment, f"the record in {region} said {old['Content']}, now {new['Content']}")
        if new is self.examined.get(payment):
            return  # as another replica showed it
        self.examined[payment] = new
        shown, result = read_record(new)
        meant = self.submitted.get(result.hash)
        if meant is None or shown.text != kept_text(meant):
            self.accuse("wrong_payload", payment, f"the record in {region} says {shown.text} for {result.text}")
        elif not is_record(new, meant, result):
            self.accuse("wrong_books", payment, f"the record in {region} is {new} for {meant.text}")

    def claim_taken(self, region: str, payment: str, old: Item, new: Item) -> None:
        """A write undid another call's ATTEMPT."""
        self.accuse("claim_taken", payment, f"the cell in {region} was {old}, now {new}")

    def unnamed(self, payment: str, handle: str) -> None:
        """Money would move, and nobody could look that up."""
        self.accuse("unnamed", payment, f"confirmed as {handle or 'nothing'}")

    def charged(self, taken: Taken) -> None:
        """Money was taken: of what amount, under which key."""
        charges = self.charges[taken.payment]
        charges.append(taken)
        if len(charges) == 2:
            self.accuse("double_charge", taken.payment, charges)
        meant = [intent for intent in self.submitted.values() if key(intent) == taken.key]
        paid = payment_of(meant[0]) if meant else None
        if not paid or (paid.amount, paid.currency, paid.source) != (taken.amount, taken.currency, taken.source):
            self.accuse("wrong_payload", taken.payment, f"charged {taken}, the key is that of {meant}")

    # --- what clients hear

    def hashes_decided(self, payment: str) -> set[str]:
        return {read_value(text).hash for text in self.decided[payment]}

    def answered(
        self, payment: str, digest: str, code: int, result: Result | None = None, *, ended: bool = False
    ) -> None:
        """The answer to a POST of a payload. `ended`: whether somebody had been told how it ended before it was
        posted."""
        if ended and code in (202, 409):
            self.accuse("broken_promise", payment, f"told {self.told[payment]}, then {code}")
        if code == 422:
            self.refused[payment].add(digest)
            if not self.hashes_decided(payment) - {digest}:
                self.accuse("wrong_refusal", payment, f"422 for {digest[:8]} when no other payload was decided")
        if code not in (200, 201, 202):
            return
        self.accepted[payment].add(digest)
        decided = self.hashes_decided(payment)
        if digest not in decided | self.promised[payment]:
            self.accuse("unheld", payment, f"{code} for {digest[:8]}, decided {decided}")
        if len(self.accepted[payment]) == 2:
            self.accuse("wrong_payload", payment, f"two payloads accepted: {self.accepted[payment]}")
        if result is not None:
            self.shown(payment, result)

    def looked(self, payment: str, account: str, reply: Reply, before: Collection[str], *, ended: bool = False) -> None:
        """The answer to a GET by an account; `before`: the payloads that were accepted before it was asked; `ended`:
        whether somebody had been told how it ended."""
        accepted = [self.submitted[digest] for digest in before]
        if reply.code == 404 and any(payment_of(intent).account == account for intent in accepted):
            self.accuse("lost", payment, "404 for an accepted payment")
        if reply.intent is None:
            return
        if ended and reply.result is None:
            self.accuse("broken_promise", payment, f"told {self.told[payment]}, then {reply.status}")
        if payment_of(reply.intent).account != account:
            self.accuse("leaked", payment, f"{reply.intent.text} was shown to {account}")
        if before and reply.intent.hash not in before:
            self.accuse("wrong_payload", payment, f"accepted {before}, shown {reply.intent.text}")
        if reply.result:
            self.shown(payment, reply.result)

    def shown(self, payment: str, result: Result) -> None:
        """A client, of POST or GET, is told how a payment ended."""
        if result.text not in self.final[payment] | self.public[payment] and not self.entered(payment, result):
            self.accuse("premature", payment, f"told {result.text}")
        self.told[payment].add(result.text)
        if len(self.told[payment]) == 2:
            self.accuse("broken_promise", payment, f"told {self.told[payment]}")

    def entered(self, payment: str, result: Result) -> bool:
        """Whether it is the end of what was decided by ledger, where the decision is the entry."""
        values = [read_value(text) for text in self.decided[payment]]
        ends = [conclude(self.submitted[value.hash], value, SETTLED) for value in values if value.rail == LEDGER]
        return result in ends

    # --- when all is over

    def verdict(self, world: World, payments: Collection[str], alive: list[str]) -> None:
        """`alive`: the Regions that are not lost for good."""
        for payment in payments:
            self._payment(world, payment, alive)

    def dead_letter(self, world: World, letter: tuple[str, str, str], alive: list[str], *, public: bool) -> None:
        """I8: what (payment, hash, reason) lies in a dead-letter queue when all is over and it has been redriven.
        `public`: it was that before the last redrive, which then had nothing to do but see it."""
        payment, digest, reason = letter
        ended = any(self.ends(world, payment, alive))  # with this payload or, for IdTaken, another
        held = any(payment in world.cells[region] for region in alive)
        if (public and reason == NO_REGION_LEFT) or (held and not ended):
            self.accuse("unexplained", payment, f"a dead letter of {digest[:8]}: {reason}")

    @staticmethod
    def ends(world: World, payment: str, alive: list[str]) -> list[Item]:
        """The public record in each living Region, {} where none shows an end."""
        records = [world.record(region, payment) for region in alive]
        return [record if record.get("Status") in ENDS else {} for record in records]

    def _payment(self, world: World, payment: str, alive: list[str]) -> None:
        cells = [world.cells[region].get(payment, {}) for region in alive]
        records = self.ends(world, payment, alive)
        ends = {str(record["Content"]) for record in records if record}
        end = read_result(next(iter(ends))) if ends else None
        accepted, told = self.accepted[payment], self.told[payment]

        self.counts["payments"] += 1
        self.counts["accepted"] += bool(accepted)
        self.counts["settled"] += end is not None and end.status == SETTLED
        self.counts["declined"] += end is not None and end.status == DECLINED
        self.counts["closed"] += end is not None and end.status == NOT_CHARGED
        self._money(payment, end)
        self._receipts(world, payment, end, alive)
        if end and accepted and end.hash not in accepted:
            self.accuse("wrong_payload", payment, f"accepted {accepted}, ended {end.text}")
        if told and ends and told != ends:
            self.accuse("broken_promise", payment, f"told {told}, ended {ends}")
        if told and not ends:
            self.accuse("broken_promise", payment, f"told {told}, nothing is public")
        if end and end.status == SETTLED and end.hash in self.refused[payment]:
            self.accuse("wrong_refusal", payment, f"422, then {end.text}")
        if accepted and not ends:
            self.accuse("lost", payment, f"cells {cells}")
        if len(ends) > 1 or (ends and (self.final[payment] - ends or not all(records))):
            self.accuse("diverged", payment, f"records {records}, final {self.final[payment]}")
        if any("due_at" in cell for cell in cells):
            self.accuse("stuck", payment, f"cells {cells}")

    def _money(self, payment: str, end: Result | None) -> None:
        """I5: what the processor took is what the books say; the ledger's own entries are the records themselves."""
        charges = self.charges[payment]
        if end is None:
            return
        by_processor = end.status == SETTLED and end.rail != LEDGER
        if bool(charges) != by_processor or any(taken.key != key(self.submitted[end.hash]) for taken in charges):
            self.accuse("wrong_books", payment, f"charges {charges}, ended {end.text}")

    def _receipts(self, world: World, payment: str, end: Result | None, alive: list[str]) -> None:
        bodies = {body for region in alive for body in world.buckets[region].get(f"receipts/{payment}.json", ())}
        complete = all(world.buckets[region].get(f"receipts/{payment}.json") for region in alive)
        settled = end is not None and end.status == SETTLED
        if len(bodies) != settled or (settled and not complete):
            self.accuse("receipts", payment, f"{bodies or 'none'} for {end.text if end else 'no end'}")
        elif end and settled and not is_receipt(next(iter(bodies)), self.submitted[end.hash], end):
            self.accuse("receipts", payment, f"{bodies} for {self.submitted[end.hash].text} and {end.text}")
