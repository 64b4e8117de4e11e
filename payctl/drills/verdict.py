"""The verdict of a drill: a pure function of what clients heard and what the books show."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from payctl.drills.books import Books, different_receipts, differing
from payctl.drills.record import FINAL, REFUSED, Payment, Record
from payctl.drills.scenarios import Outage

# A new payment accepted within so many seconds counts as service as usual.
USUAL_SECONDS: Final = 2.0
USUAL_SHARE: Final = 0.9
AT_THE_END: Final = 3


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What was seen after healing: when each accepted payment was first known to be final, in seconds since the load's
    start; payments parked for a reason; whether everything became quiet in time, and when the last of it did."""

    settled_at: Mapping[str, float]
    parked: frozenset[str]
    quiet: bool
    quiet_at: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The drill in figures. `failures` says in words what must not be; empty is a pass."""

    payments: int
    accepted: int
    settled: int
    declined: int
    parked: int
    refused: int
    unknown: int
    """Neither accepted nor refused as far as the client knows."""
    lost: int
    charged_twice: int
    charged_wrongly: int
    """Charged and not settled, or settled and not charged."""
    differing: int
    """Payments that two Regions show differently."""
    receipts_missing: int
    dead_letters: int
    dead_letters_unexplained: int
    quiet: bool
    serves_again: bool
    """Whether nine in ten of the payments begun after healing were accepted, however slowly."""
    recovery_seconds: float | None
    """From the first fault's start until new payments were accepted as quickly as usual; None: not before the end."""
    last_settled_seconds: float | None
    """From the last fault's end until the last accepted payment was settled, 0 if before; None: never."""
    longest_settle_seconds: float
    client_errors: int
    payments_with_errors: int
    accepted_by: Mapping[str, int]
    decided_by: Mapping[str, int]
    failures: tuple[str, ...] = field(default=())

    @property
    def passed(self) -> bool:
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self), "failures": list(self.failures)}


def judge(record: Record, books: Books, aftermath: Aftermath, outages: Sequence[Outage]) -> Verdict:
    """Every accepted payment must be final or parked, charged as often as it is settled, and shown alike everywhere."""
    accepted = record.accepted
    status = {payment: str(item["Status"]) for payment in record.payments if (item := books.record(payment))}
    lost = [p.id for p in accepted if p.id not in status and p.id not in aftermath.parked]
    settled = [payment for payment, word in status.items() if word == "SETTLED"]
    letters = [letter for letter in books.letters if letter.payment not in status]
    last_end = max(outage.end for outage in outages)
    found = Verdict(
        payments=len(record.payments),
        accepted=len(accepted),
        settled=sum(status.get(payment.id) == "SETTLED" for payment in accepted),
        declined=sum(status.get(payment.id) in FINAL[1:] for payment in accepted),
        parked=len(aftermath.parked),
        refused=sum(payment.state == REFUSED for payment in record.payments.values()),
        unknown=sum(p.accepted_at is None and p.state != REFUSED for p in record.payments.values()),
        lost=len(lost),
        charged_twice=len(charged_twice(books)),
        charged_wrongly=len(charged_wrongly(books, settled, aftermath.parked)),
        differing=len(different(books)),
        receipts_missing=sum(payment not in held for held in books.receipts.values() for payment in settled),
        dead_letters=len(books.letters),
        dead_letters_unexplained=sum(letter.payment not in aftermath.parked for letter in letters),
        quiet=aftermath.quiet,
        serves_again=serves_again(tuple(record.payments.values()), last_end),
        recovery_seconds=recovery(tuple(record.payments.values()), min(outage.start for outage in outages)),
        last_settled_seconds=last_settled(accepted, aftermath, last_end),
        longest_settle_seconds=round(
            max((aftermath.settled_at.get(p.id, 0.0) - p.begun for p in accepted), default=0.0), 2
        ),
        client_errors=sum(answer.error for answer in record.answers),
        payments_with_errors=sum(payment.errors > 0 for payment in record.payments.values()),
        accepted_by=_counted(record.regions, [payment.accepted_by for payment in accepted]),
        decided_by=_counted(record.regions, [str(item["Region"]) for p in status if (item := books.record(p))]),
    )
    return Verdict(**{**_fields(found), "failures": tuple(failures(found, books, status))})


def failures(found: Verdict, books: Books, status: Mapping[str, str]) -> list[str]:
    """What must not be, in words."""
    rules = (
        (found.accepted == 0, "no payment was accepted: nothing was shown"),
        (found.lost, f"{found.lost} accepted payments are lost"),
        (found.charged_twice, f"{found.charged_twice} payments were charged twice"),
        (
            found.charged_wrongly,
            f"{found.charged_wrongly} payments were charged and not settled, or the other way round",
        ),
        (found.differing, f"{found.differing} payments are shown differently by two Regions"),
        (found.receipts_missing, f"{found.receipts_missing} receipts are missing"),
        (found.dead_letters_unexplained, f"{found.dead_letters_unexplained} dead letters are not explained"),
        (not found.quiet, "the system did not become quiet"),
        (not found.serves_again, "new payments were not accepted again after healing"),
    )
    told = [text for broken, text in rules if broken]
    for region, records in books.records.items():
        if missing := len(status) - len(records):
            told.append(f"{region} does not show {missing} records")
    return told


def different(books: Books) -> set[str]:
    """Payments of which two Regions show different records, results or receipts."""
    return set(differing(books.records, "Content")) | set(differing(books.cells, "result")) | different_receipts(books)


def charged_twice(books: Books) -> set[str]:
    """By the processor's own count; by ledger, a payment that two Regions have decided differently."""
    if books.charges is not None:
        return {payment for payment, count in books.charges.items() if count > 1}
    return set(differing(books.records, "Content")) | set(differing(books.cells, "result"))


def charged_wrongly(books: Books, settled: Sequence[str], parked: frozenset[str]) -> set[str]:
    """Where the processor's count and the records differ; what is parked is explained."""
    if books.charges is None:
        return set()
    charged = {payment for payment, count in books.charges.items() if count}
    return (charged ^ set(settled)) - parked


def serves_again(payments: Sequence[Payment], end: float) -> bool:
    """Whether nine in ten payments begun after `end` were accepted; there must be some."""
    accepted = [payment.accepted_at is not None for payment in payments if payment.begun >= end]
    return sum(accepted) >= max(1.0, USUAL_SHARE * len(accepted))


def recovery(payments: Sequence[Payment], start: float) -> float | None:
    """Seconds from `start` until the end of the last second in which fewer than 90 % of the new payments were accepted
    as usual; 0 where there was none, None when it was still so at the end."""
    usual: dict[int, list[bool]] = {}
    for payment in payments:
        if payment.begun >= start:
            quick = payment.accepted_at is not None and payment.accepted_at - payment.begun <= USUAL_SECONDS
            usual.setdefault(int(payment.begun - start), []).append(quick)
    bad = [second for second, quick in usual.items() if sum(quick) < USUAL_SHARE * len(quick)]
    if not bad:
        return 0.0
    return None if set(sorted(usual)[-AT_THE_END:]) <= set(bad) else float(max(bad) + 1)


def last_settled(accepted: Sequence[Payment], aftermath: Aftermath, end: float) -> float | None:
    """Of the payments accepted before the last fault ended: seconds from then until the last of them was settled."""
    before = [p.id for p in accepted if (p.accepted_at or 0.0) <= end and p.id not in aftermath.parked]
    if any(payment not in aftermath.settled_at for payment in before):
        return None
    return round(max([end, *(aftermath.settled_at[payment] for payment in before)]) - end, 2)


def _counted(regions: Sequence[str], found: Sequence[str]) -> dict[str, int]:
    counts = Counter(found)
    return {region: counts[region] for region in regions}


def _fields(found: Verdict) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Verdict.__dataclass_fields__}
