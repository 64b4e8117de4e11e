"""The verdict of a drill: a pure function of the clients' log and of the evidence in all Regions."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from payctl.drills.client_log import REFUSED, Answer, ClientLog, Payment
from payctl.drills.evidence import Evidence, different_receipts, differing, differing_items
from payctl.drills.history import contradictions as contradictions_of
from payctl.drills.history import in_words
from payctl.drills.scenarios import Outage
from payctl.payments.registers import FINAL

USUAL_SECONDS: Final = 2.0  # within which a new payment is accepted while service is as usual
USUAL_SHARE: Final = 0.9  # of the payments that must be
AT_THE_END: Final = 3  # seconds without usual service that show no recovery


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What was seen after healing: when each accepted payment was first known to be final, in seconds since the load's
    start; the parked payments; whether everything became quiet in time."""

    settled_at: Mapping[str, float]
    parked: frozenset[str]
    quiet: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The drill in figures. `failures` says in words what went wrong; empty is a pass."""

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
    contradicted: int
    """Payments of which clients were told what cannot all be true (history.py)."""
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
    failures: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.failures

    def as_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, **asdict(self), "failures": list(self.failures)}


def judge(log: ClientLog, evidence: Evidence, aftermath: Aftermath, outages: Sequence[Outage]) -> Verdict:
    """Every accepted payment must be final or parked, charged as often as it is settled, and shown alike everywhere."""
    accepted = log.accepted
    status = {payment: str(item["Status"]) for payment in log.payments if (item := evidence.record(payment))}
    lost = [p.id for p in accepted if p.id not in status and p.id not in aftermath.parked]
    settled = [payment for payment, word in status.items() if word == "SETTLED"]
    letters = [letter for letter in evidence.letters if letter.payment not in status]
    last_end = max(outage.end for outage in outages)
    contradictions = contradictions_of(log.answers)
    figures = Verdict(
        payments=len(log.payments),
        accepted=len(accepted),
        settled=sum(status.get(payment.id) == "SETTLED" for payment in accepted),
        declined=sum(status.get(payment.id) in FINAL[1:] for payment in accepted),
        parked=len(aftermath.parked),
        refused=sum(payment.state == REFUSED for payment in log.payments.values()),
        unknown=sum(p.accepted_at is None and p.state != REFUSED for p in log.payments.values()),
        lost=len(lost),
        charged_twice=len(charged_twice(evidence)),
        charged_wrongly=len(charged_wrongly(evidence, settled, aftermath.parked)),
        differing=len(different(evidence)),
        contradicted=len(contradictions),
        receipts_missing=sum(payment not in receipts for receipts in evidence.receipts.values() for payment in settled),
        dead_letters=len(evidence.letters),
        dead_letters_unexplained=sum(letter.payment not in aftermath.parked for letter in letters),
        quiet=aftermath.quiet,
        serves_again=serves_again(tuple(log.payments.values()), last_end),
        recovery_seconds=recovery(tuple(log.payments.values()), min(outage.start for outage in outages)),
        last_settled_seconds=last_settled(accepted, aftermath, last_end),
        longest_settle_seconds=round(
            max((aftermath.settled_at.get(p.id, 0.0) - p.begun for p in accepted), default=0.0), 2
        ),
        client_errors=sum(answer.error for answer in log.answers),
        payments_with_errors=sum(payment.errors > 0 for payment in log.payments.values()),
        accepted_by=_counted(log.regions, [payment.accepted_by for payment in accepted]),
        decided_by=_counted(log.regions, [str(item["Region"]) for p in status if (item := evidence.record(p))]),
    )
    return replace(figures, failures=(*failures(figures, evidence, status), *told_falsely(contradictions)))


def failures(figures: Verdict, evidence: Evidence, status: Mapping[str, str]) -> list[str]:
    """What went wrong, in words."""
    rules = (
        (figures.accepted == 0, "no payment was accepted: nothing was shown"),
        (figures.lost, f"{figures.lost} accepted payments are lost"),
        (figures.charged_twice, f"{figures.charged_twice} payments were charged twice"),
        (figures.charged_wrongly, f"{figures.charged_wrongly} payments were charged and not settled, or vice versa"),
        (figures.differing, f"{figures.differing} payments are shown differently by two Regions"),
        (figures.receipts_missing, f"{figures.receipts_missing} receipts are missing"),
        (figures.dead_letters_unexplained, f"{figures.dead_letters_unexplained} dead letters are not explained"),
        (not figures.quiet, "the system did not become quiet"),
        (not figures.serves_again, "new payments were not accepted again after healing"),
    )
    texts = [text for broken, text in rules if broken]
    for region, records in evidence.records.items():
        if missing := len(status) - len(records):
            texts.append(f"{region} does not show {missing} records")
    return texts


def told_falsely(contradictions: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    """The contradictions in words: the first one with its proof."""
    for payment, proof in list(contradictions.items())[:1]:
        answers = "; ".join(map(in_words, proof))
        yield f"clients of {len(contradictions)} payments were told what cannot all be true, as of {payment}: {answers}"


def different(evidence: Evidence) -> set[str]:
    """Payments of which two Regions show different records, results or receipts."""
    return {*differing_items(evidence.records), *decided_differently(evidence), *different_receipts(evidence.receipts)}


def decided_differently(evidence: Evidence) -> set[str]:
    """Payments of which two Regions show different results."""
    return {*differing(evidence.records, "Content"), *differing(evidence.cells, "result")}


def charged_twice(evidence: Evidence) -> set[str]:
    """By the processor's own count; by ledger, a payment that two Regions have decided differently."""
    if evidence.charges is None:
        return decided_differently(evidence)
    return {payment for payment, count in evidence.charges.items() if count > 1}


def charged_wrongly(evidence: Evidence, settled: Sequence[str], parked: frozenset[str]) -> set[str]:
    """Where the processor's count and the records differ; what is parked is explained."""
    if evidence.charges is None:
        return set()
    charged = {payment for payment, count in evidence.charges.items() if count}
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


def _counted(regions: Sequence[str], chosen: Sequence[str]) -> dict[str, int]:
    counts = Counter(chosen)
    return {region: counts[region] for region in regions}
