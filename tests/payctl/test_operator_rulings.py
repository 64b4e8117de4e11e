"""What an operator is shown of a parked payment, and which rulings are taken at all."""

import json
from typing import Any

import pytest
from payments.protocol import operations, values
from payments.protocol.operations import Ruling, Standing
from payments.protocol.ports import LOST, Context, Verdict
from payments.protocol.rejoining import Done, Why
from payments.protocol.settlement import State
from payments.protocol.values import Result, Value

from payctl.commands.show import render_payments
from payctl.commands.show.render import duration
from payctl.payments.parked import LONGEST, closable_from, refusal, ruling, waiting
from stacksets.errors import ToolError

HOME, SECOND, THIRD = "us-east-1", "eu-west-1", "ap-southeast-1"
NOW = 1_700_000_000
RAIL = "https://processor.example"
INTENT = values.intent_of(values.Payment("T1", 9999, "USD", NOW * 1_000_000, "123456789012"))
VALUE = Value("", SECOND, INTENT.hash, NOW, RAIL)
CHARGED = Verdict(settled=True, reference="ch_1")
DOUBTFUL = Standing("T1", values.IN_DOUBT, 3, VALUE, INTENT, NOW, NOW + 1, State.IN_DOUBT)


def context(*, now: int = NOW + 7300, deduplicates: bool = False) -> Context:
    return Context(HOME, (HOME, SECOND, THIRD), RAIL, deduplicates, 86400, lambda: now, lambda _: 0, lambda: "")


def test_a_payment_in_doubt_shows_amount_age_region_and_the_key_the_processor_saw() -> None:
    shown = waiting(context(), DOUBTFUL)
    assert (shown.amount, shown.currency, shown.age, shown.region) == ("99.99", "USD", 7300, SECOND)
    assert shown.idempotency_key == values.key(INTENT)
    assert shown.rail == RAIL
    assert shown.why.startswith("in doubt")
    assert shown.attempted_at == "2023-11-14T22:13:21+00:00"


@pytest.mark.parametrize(
    ("standing", "why"),
    [
        (DOUBTFUL, "in doubt: the processor may have charged it"),
        (DOUBTFUL._replace(attempted_at=0), f"waits for {SECOND}"),
        (
            DOUBTFUL._replace(waits=State.REFUSED, cause="403"),
            "refused: the processor will not take the request, answer 403",
        ),
        (
            DOUBTFUL._replace(
                waits=State.TORN, results=(Result("", "SETTLED", reference="ch_1"), Result("", "NOT_CHARGED"))
            ),
            "torn: SETTLED ch_1 and NOT_CHARGED stand against each other; close it with --accept-risk",
        ),
    ],
)
def test_each_parked_payment_says_why(standing: Standing, why: str) -> None:
    shown = waiting(context(), standing)
    assert shown.why.startswith(why)
    assert standing.waits
    assert shown.status == standing.waits.name


@pytest.mark.parametrize(
    ("standing", "deduplicates", "expected"),
    [
        (DOUBTFUL, False, NOW + 1 + 3600),
        (DOUBTFUL, True, NOW + 43200 + 3600),
        (DOUBTFUL._replace(attempted_at=0), False, 0),
        (DOUBTFUL._replace(value=None), False, 0),
    ],
)
def test_when_it_may_be_closed_without_the_processors_word(
    standing: Standing, deduplicates: bool, expected: int
) -> None:
    assert closable_from(context(deduplicates=deduplicates), standing) == expected


@pytest.mark.parametrize(
    ("settled", "not_charged", "reason", "says"),
    [
        ("", False, "", "state how it ended"),
        ("ch_1", True, "x", "state how it ended"),
        ("", True, " ", "needs a reason"),
        ("x" * (LONGEST + 1), False, "", f"{LONGEST + 1} characters"),
        ("", True, "paid by 4111 1111 1111 1111", "card number"),
    ],
)
def test_rulings_that_are_not_taken(settled: str, not_charged: bool, reason: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        ruling(by="me", settled=settled, not_charged=not_charged, reason=reason, unchecked=False)


def test_a_ruling_names_who_decided() -> None:
    made = ruling(by="arn:me", settled="", not_charged=True, reason=" lost ", unchecked=False)
    assert (made.status, made.by, made.reason, made.reference) == (values.NOT_CHARGED, "arn:me", "lost", "")
    assert ruling(by="me", settled="ch_1", not_charged=False, reason="", unchecked=False).status == values.SETTLED


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        (Why.PROCESSOR_SILENT, "--unchecked where it is gone for good; you need to read secret psp"),
        (Why.TOO_EARLY, "after 2023-11-14T23:13:21"),
        (Why.TORN, "--accept-risk"),
        (Why.REGION_SILENT, "barred first"),
        (Why.OTHER, f"knows it as {values.key(INTENT)}"),
    ],
)
def test_a_refusal_says_what_to_do_whatever_its_words_are(why: Why, remedy: str) -> None:
    error = refusal(context(), DOUBTFUL, Done(done=False, says="any words, in an hour", why=why), "psp")
    assert str(error).startswith("T1 was not closed: any words, in an hour; ")
    assert remedy in error.remedy


@pytest.mark.parametrize(
    ("answers", "why"),
    [
        ([LOST], Why.PROCESSOR_SILENT),
        ([None, LOST], Why.TOO_EARLY),
        ([CHARGED], Why.OTHER),
        ([None, CHARGED], Why.OTHER),
    ],
    ids=["silent", "not cancelled", "charged", "charged meanwhile"],
)
def test_the_functions_code_names_the_reason_of_a_refusal(answers: list[Any], why: Why) -> None:
    """What the processor answers to the lookup, and to the cancellation."""
    not_charged = Ruling(status=values.NOT_CHARGED, by="me", reason="lost")
    flow = operations.object_to(
        context(now=NOW + 60), not_charged, INTENT, VALUE, {SECOND: {"attempt": "t", "attempted_at": NOW}}
    )
    next(flow)
    *before, last = answers
    for answer in before:
        flow.send((answer,))
    with pytest.raises(StopIteration) as ended:
        flow.send((last,))
    assert ended.value.value.why is why


def test_a_refusal_about_an_attempt_that_nobody_sees_names_what_must_answer() -> None:
    unseen = DOUBTFUL._replace(attempted_at=0)
    error = refusal(context(), unseen, Done(done=False, says="wait", why=Why.TOO_EARLY), "")
    assert error.remedy == f"{SECOND} must answer first: only its register knows when it was attempted"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3700, "1 h 1 min"), (90000, "1 d 1 h"), (86400, "1 d")],
)
def test_durations(seconds: int, text: str) -> None:
    assert duration(seconds) == text


def test_what_was_ruled_is_shown_beside_a_payment_that_still_waits(capsys: pytest.CaptureFixture[str]) -> None:
    render_payments.parked(
        [waiting(context(), DOUBTFUL._replace(ruling='{"by":"arn:me"}')), waiting(context(), DOUBTFUL)]
    )
    assert capsys.readouterr().out.count('an operator has ruled about T1: {"by":"arn:me"}') == 1


def test_what_is_shown_is_plain_json() -> None:
    assert json.loads(json.dumps(waiting(context(), DOUBTFUL).__dict__))["payment"] == "T1"
