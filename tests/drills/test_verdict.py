"""The verdict fails for everything that must not be, and for nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from payctl.drills.client_log import Answer
from payctl.drills.verdict import Verdict, judge
from payctl.payments.dead_letters import Letter
from tests.drills.examples import OUTAGE, PAYMENTS, REGIONS, aftermath, evidence, example, identify, log

FIRST = identify(0)
Change = Callable[[], dict[str, Any]]


def without(of: str, *regions: str) -> dict[str, Any]:
    """Evidence in which these Regions do not show the first payment."""
    shown = getattr(evidence(), of)
    return {of: {r: {p: i for p, i in found.items() if p != FIRST or r not in regions} for r, found in shown.items()}}


def changed(of: str, **item: str) -> dict[str, Any]:
    """Evidence in which the last Region shows the first payment differently."""
    shown = getattr(evidence(), of)
    last = REGIONS[-1]
    return {of: {**shown, last: {**shown[last], FIRST: {**shown[last][FIRST], **item}}}}


def charged(count: int) -> dict[str, Any]:
    return {"charges": {**(evidence().charges or {}), FIRST: count}}


def letter(payment: str) -> Letter:
    return Letter(region=REGIONS[0], message_id="m1", reason="NoRegionLeft", payment=payment, input=None, handle="h1")


def verdict(*, after: dict[str, Any] | None = None, **changes: Any) -> Verdict:
    return judge(log(), evidence(**changes), aftermath(**(after or {})), (OUTAGE,))


def test_a_drill_in_which_all_went_well_passes() -> None:
    found = verdict()
    assert found.passed, found.failures
    assert (found.accepted, found.settled, found.lost, found.charged_twice) == (PAYMENTS, PAYMENTS, 0, 0)
    assert (found.client_errors, found.payments_with_errors) == (1, 1)
    assert sum(found.accepted_by.values()) == PAYMENTS


@pytest.mark.parametrize(
    ("changes", "figure", "said"),
    [
        (without("records", *REGIONS) | charged(0), "lost", "lost"),
        (charged(2), "charged_twice", "charged twice"),
        (charged(0), "charged_wrongly", "charged and not settled"),
        (without("records", *REGIONS), "charged_wrongly", "charged and not settled"),
        (changed("records", Content="another"), "differing", "differently"),
        (changed("cells", result="another"), "differing", "differently"),
        (changed("records", Status="DECLINED"), "differing", "differently"),
        (changed("records", Amount="999"), "differing", "differently"),
        (changed("records", Details="another's"), "differing", "differently"),
        (
            {
                "receipts": {
                    **evidence().receipts,
                    REGIONS[2]: {**evidence().receipts[REGIONS[2]], FIRST: frozenset({"other"})},
                }
            },
            "differing",
            "",
        ),
        (changed("records", Content="another") | {"charges": None}, "charged_twice", "charged twice"),
        (without("receipts", REGIONS[1]), "receipts_missing", "receipts"),
        (
            {"letters": (letter("D1ax2bx-9"),)},
            "dead_letters_unexplained",
            "letters",
        ),
    ],
)
def test_what_must_not_be_fails_the_drill(changes: dict[str, Any], figure: str, said: str) -> None:
    found = verdict(**changes)
    assert getattr(found, figure) == 1
    assert any(said in failure for failure in found.failures), found.failures


def test_clients_who_were_told_what_cannot_all_be_true_fail_the_drill() -> None:
    made = log()
    asked: dict[str, Any] = {"payment": FIRST, "region": REGIONS[0], "seconds": 0.1}
    shown: dict[str, Any] = {"sent": "A", "payload": "A", "body": "b", "state": "SETTLED"}
    made.answers += [
        Answer(**asked, method="POST", at=1.0, status=201, **shown),
        Answer(**asked, method="GET", at=2.0, status=404),
    ]
    found = judge(made, evidence(), aftermath(), (OUTAGE,))
    assert found.contradicted == 1
    (failure,) = found.failures
    assert failure.startswith(f"clients of 1 payments were told what cannot all be true, as of {FIRST}: ")
    assert "GET -> 404" in failure


def test_a_region_that_lacks_a_record_fails_the_drill() -> None:
    assert verdict(**without("records", REGIONS[2])).failures == (f"{REGIONS[2]} does not show 1 records",)


def test_a_system_that_does_not_become_quiet_fails_the_drill() -> None:
    assert not verdict(after={"quiet": False}).passed


def test_a_parked_payment_is_explained_and_not_lost() -> None:
    found = verdict(after={"parked": frozenset({FIRST})}, **without("records", *REGIONS), **charged(1))
    assert (found.parked, found.lost, found.charged_wrongly) == (1, 0, 0)


def test_the_letter_of_a_settled_payment_is_explained() -> None:
    found = verdict(letters=(letter(FIRST),))
    assert (found.dead_letters, found.passed) == (1, True)


def test_service_is_as_usual_after_the_last_second_in_which_it_was_not() -> None:
    made = log()
    for number in (3, 4):
        made.payments[identify(number)].accepted_at = 9.0
    assert judge(made, evidence(), aftermath(), (OUTAGE,)).recovery_seconds == 2.0
    for number in (7, 8, 9):
        made.payments[identify(number)].accepted_at = None
    assert judge(made, evidence(), aftermath(), (OUTAGE,)).recovery_seconds is None


def test_a_system_that_does_not_serve_again_fails_the_drill() -> None:
    made = log()
    made.payments[identify(9)].accepted_at = None
    found = judge(made, evidence(), aftermath(), (OUTAGE,))
    assert found.failures == ("new payments were not accepted again after healing",)


def test_the_last_accepted_payment_is_counted_from_the_end_of_the_fault() -> None:
    late = {**aftermath().settled_at, identify(4): 11.0}
    assert verdict(after={"settled_at": late}).last_settled_seconds == 6.0
    del late[identify(4)]
    assert verdict(after={"settled_at": late}).last_settled_seconds is None


def test_the_json_holds_the_whole_verdict() -> None:
    told = example(lost=2).as_dict()
    assert told["verdict"]["lost"] == 2
    assert told["verdict"]["passed"] is False
    assert told["outages"] == [{"from": 3.0, "to": 5.0, "what": "us-east-1 is down", "regions": ["us-east-1"]}]
