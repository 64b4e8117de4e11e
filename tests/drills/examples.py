"""Drills that never happened, for tests of verdict and report: a Region lost for two seconds under ten payments."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from payctl.drills.client_log import Answer, ClientLog, Payment
from payctl.drills.drill import Drill, Options
from payctl.drills.evidence import Evidence
from payctl.drills.load import Plan
from payctl.drills.scenarios import Outage
from payctl.drills.verdict import Aftermath, judge

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
OUTAGE = Outage(start=3.0, end=5.0, regions=REGIONS[:1], what="us-east-1 is down")
PAYMENTS = 10


def identify(number: int) -> str:
    return f"D1ax2bx-{number:06d}"


def log() -> ClientLog:
    """One payment a second, settled at once; the fourth met an error first."""
    made = ClientLog(regions=REGIONS)
    for number in range(PAYMENTS):
        region = REGIONS[number % 3]
        payment = Payment(id=identify(number), near=region, due=float(number), transaction={})
        if number == 3:
            answer(made, payment, REGIONS[0], 0)
        answer(made, payment, REGIONS[1] if number == 3 else region, 201)
        made.payments[payment.id] = payment
    return made


def answer(made: ClientLog, payment: Payment, region: str, status: int) -> None:
    given = Answer(
        payment=payment.id,
        method="POST",
        region=region,
        at=payment.due + 0.2 * payment.errors,
        seconds=0.1,
        status=status,
        state="SETTLED" if status == 201 else "",
    )
    made.answers.append(given)
    payment.learn(given)


def evidence(**changes: Any) -> Evidence:
    """Every payment settled and charged once, and shown alike in every Region."""
    ids = [identify(number) for number in range(PAYMENTS)]
    shown: Mapping[str, Mapping[str, Any]] = {
        payment: {"Status": "SETTLED", "Region": REGIONS[at % 3], "Content": f"content of {payment}"}
        for at, payment in enumerate(ids)
    }
    cells = {payment: {"result": f"content of {payment}"} for payment in ids}
    made = Evidence(
        records=dict.fromkeys(REGIONS, shown),
        cells=dict.fromkeys(REGIONS, cells),
        receipts=dict.fromkeys(REGIONS, dict.fromkeys(ids, frozenset({"etag"}))),
        letters=(),
        charges=dict.fromkeys(ids, 1),
    )
    return replace(made, **changes)


def aftermath(**changes: Any) -> Aftermath:
    settled_at = {identify(number): number + 0.3 for number in range(PAYMENTS)}
    return replace(Aftermath(settled_at=settled_at, parked=frozenset(), quiet=True), **changes)


def example(*, lost: int = 0, environment: str = "dev") -> Drill:
    """A drill that passed, or one that lost payments: no Region shows them."""
    gone = {identify(number) for number in range(lost)}
    whole = evidence()
    found = evidence(
        records={r: {p: item for p, item in items.items() if p not in gone} for r, items in whole.records.items()},
        charges={p: count for p, count in (whole.charges or {}).items() if p not in gone},
    )
    made = log()
    plan = Plan(payments=PAYMENTS, rate=1.0, near=REGIONS, prefix="D1ax2bx")
    return Drill(
        options=Options(name="region-loss", plan=plan, window=2.0, limit=300.0),
        environment=environment,
        regions=REGIONS,
        outages=(OUTAGE,),
        log=made,
        evidence=found,
        aftermath=aftermath(),
        verdict=judge(made, found, aftermath(), (OUTAGE,)),
        seconds=14.0,
    )
