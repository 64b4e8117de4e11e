"""The invariants I1 to I8 of a payments platform, checked at every change while a run goes on, and on what is left
after healing.

The judge knows the truth that no worker can see: every vote ever cast, every charge ever made, every word told to a
client. It never looks into a worker. `FAULTS` names what may never be found; `PARKED` what may be left, and why.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import NamedTuple

from payments.protocol.ports import LEDGER
from payments.protocol.record import read_record
from payments.protocol.values import (
    DECLINED,
    NOT_CHARGED,
    SETTLED,
    Intent,
    Result,
    key,
    payment_of,
    read_result,
    read_value,
)

from tests.simulation.rail import Taken
from tests.simulation.world import REGIONS, Item, World

FAULTS = {
    "double_charge": "I1, I5: money taken twice, or taken while the books say otherwise",
    "disagreement": "two values decided for one payment, or two results final",
    "unheld": "I2: a client was told `accepted`: neither decided nor one OPEN of it promised by all three cells",
    "wrong_payload": "I3: charged or settled is not what was accepted",
    "regressed": "I4: a result in a cell or a public record was replaced by another one",
    "broken_promise": "a client was told how it ended, and it ended otherwise, or another client heard another end",
    "wrong_refusal": "a client was told 422, and its payload was settled",
    "lost": "I6: accepted, never finished, and nothing explains it",
    "receipts": "I7: not exactly one receipt content for a settled payment, or one for an unsettled payment",
    "diverged": "replicas show different ends, or another than the final result, or none, when all is quiet",
    "stuck": "I8: a cell stays due in a living Region though nothing is parked: janitors would never rest",
    "unexplained": "I8: a dead letter after its redrive, of a payment that is public, or is neither that nor parked",
    "crashed": "production raised what no driver expects",
    "wrong_books": "I5: a public record does not say what was charged",
}
PARKED = {
    "doubt": "the processor was called for it and cannot be asked again, or its Region is lost",
}


NO_REGION_LEFT = "no Region left"
ENDS = (SETTLED, DECLINED, NOT_CHARGED)


RESTING = ("doubt",)


class Violation(NamedTuple):
    """What was found, of which payment, and the facts."""

    fault: str
    payment: str
    facts: str


class Judge:
    """Watches a World. `violations` is empty as long as all is well."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.found: Counter[str] = Counter()
        self.votes: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        self.results: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.final: dict[str, set[str]] = defaultdict(set)
        self.decided: dict[str, set[str]] = defaultdict(set)
        self.accepted: dict[str, set[str]] = defaultdict(set)
        self.told: dict[str, set[str]] = defaultdict(set)
        self.refused: dict[str, set[str]] = defaultdict(set)
        self.promises: dict[tuple[str, int, str], set[str]] = defaultdict(set)
        self.promised: dict[str, set[str]] = defaultdict(set)
        self.submitted: dict[str, Intent] = {}
        self.charges: dict[str, list[Taken]] = defaultdict(list)

    def accuse(self, fault: str, payment: str, facts: object) -> None:
        self.found[fault] += 1
        self.violations.append(Violation(fault, payment, str(facts)))

    # --- while the run goes on

    def cell_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        opened = new.get("promised")
        if opened is not None and opened != old.get("promised") and opened != new.get("accepted_ballot"):
            promises = self.promises[payment, int(opened), str(new["hash"])]
            promises.add(region)
            if len(promises) == len(REGIONS):
                self.promised[payment].add(str(new["hash"]))
        ballot = new.get("accepted_ballot")
        if ballot is not None and ballot != old.get("accepted_ballot"):
            value = str(new["accepted"])
            holders = self.votes[payment, int(ballot), value]
            holders.add(region)
            if len(holders) == 2:
                self.decided[payment].add(value)
                if len(self.decided[payment]) == 2:
                    self.accuse("disagreement", payment, self.decided[payment])
        was = old.get("result")
        if was is not None and new.get("result") != was:
            self.accuse("regressed", payment, f"the cell in {region} said {was}, now {new.get('result')}")
        result = new.get("result")
        if result != was and result is not None:
            holders = self.results[payment, str(result)]
            holders.add(region)
            if len(holders) == 2:
                self.final[payment].add(str(result))
                if len(self.final[payment]) == 2:
                    self.accuse("disagreement", payment, self.final[payment])

    def record_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        if old and old["Content"] != new["Content"] and old["Status"] in ENDS:
            self.accuse("regressed", payment, f"the record in {region} said {old['Content']}, now {new['Content']}")
        shown, result = read_record(new)
        if shown.hash != result.hash:
            self.accuse("wrong_payload", payment, f"the record in {region} says {shown.text} for {result.text}")

    def charged(self, taken: Taken) -> None:
        """Money was taken: of what amount, under which key."""
        charges = self.charges[taken.payment]
        charges.append(taken)
        if len(charges) == 2:
            self.accuse("double_charge", taken.payment, charges)
        meant = [intent for intent in self.submitted.values() if key(intent) == taken.key]
        if not meant or payment_of(meant[0]).amount != taken.amount:
            self.accuse("wrong_payload", taken.payment, f"charged {taken}, the key is that of {meant}")

    # --- what clients hear

    def answered(self, payment: str, digest: str, code: int, result: Result | None) -> None:
        """The answer to a POST of a payload."""
        if code == 422:
            self.refused[payment].add(digest)
        if code not in (200, 201, 202):
            return
        self.accepted[payment].add(digest)
        decided = {read_value(text).hash for text in self.decided[payment]}
        if digest not in decided | self.promised[payment]:
            self.accuse("unheld", payment, f"{code} for {digest[:8]}, decided {decided}")
        if len(self.accepted[payment]) == 2:
            self.accuse("wrong_payload", payment, f"two payloads accepted: {self.accepted[payment]}")
        if result is not None:
            self.shown(payment, result)

    def shown(self, payment: str, result: Result) -> None:
        """A client, of POST or GET, is told how a payment ended."""
        self.told[payment].add(result.text)
        if len(self.told[payment]) == 2:
            self.accuse("broken_promise", payment, f"told {self.told[payment]}")

    # --- when all is quiet

    def verdict(self, world: World, payments: Collection[str], alive: list[str]) -> None:
        """`alive`: the Regions that are not lost for good."""
        for payment in payments:
            self._payment(world, payment, alive)

    def dead_letter(
        self, world: World, payment: str, digest: str, reason: str, alive: list[str], *, public: bool
    ) -> None:
        """I8: what lies in a dead-letter queue when all is quiet and it has been redriven. `public`: it was that before
        the last redrive, which then had nothing to do but see it."""
        cells = [world.cells[region].get(payment, {}) for region in alive]
        ended = any(self.ends(world, payment, alive))  # with this payload or, for IdTaken, another
        missed = public and reason == NO_REGION_LEFT
        if missed or not (ended or self.parked(world, cells, alive)):
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
        parked = "" if end else self.parked(world, cells, alive)
        accepted, told = self.accepted[payment], self.told[payment]

        self.found["payments"] += 1
        self.found["accepted"] += bool(accepted)
        self.found["settled"] += end is not None and end.status == SETTLED
        self.found["declined"] += end is not None and end.status not in (SETTLED, NOT_CHARGED)
        self.found["closed"] += end is not None and end.status == NOT_CHARGED
        if accepted and parked:
            self.found[parked] += 1
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
        if parked in RESTING:
            return
        if accepted and not ends:
            self.accuse("lost", payment, f"{parked} cells {cells}")
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

    def parked(self, world: World, cells: list[Item], alive: list[str]) -> str:
        """Why a payment without an end may rest, from facts that a worker could see; "" when it may not."""
        accepted = Counter((cell["accepted_ballot"], cell["accepted"]) for cell in cells if "accepted" in cell)
        text = next((str(text) for (_, text), count in accepted.items() if count >= 2), None)
        if text is None:
            return ""
        value = read_value(text)
        if value.rail == LEDGER:
            return ""
        away = value.region not in alive and not world.rail.deduplicates
        attempted = any("attempt" in cell for cell in cells) and not world.rail.deduplicates
        pruned = world.rail.deduplicates and world.time >= value.at + world.rail.lifetime / 2
        return "doubt" if away or attempted or pruned or self.rail_withdrawn(world, value.rail) else ""

    @staticmethod
    def rail_withdrawn(world: World, rail: str) -> bool:
        """No function is set up for the rail any more."""
        return rail not in world.rails.values()


def summary(found: Mapping[str, int], names: Collection[str]) -> str:
    return " ".join(f"{name} {found[name]}" for name in names)
