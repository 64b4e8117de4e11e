"""What clients were told: true histories are explained, planted ones are refused with their shortest proof."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest

from payctl.drills import history
from payctl.drills.client_log import Answer
from payctl.drills.history import contradiction, explained, in_words, payload_of

A, B = "payload A", "payload B"


def post(at: float, status: int, sent: str = A, *, state: str = "", body: str = "one", seconds: float = 1.0) -> Answer:
    """A POST; 201 and 200 end SETTLED, 202 is PENDING, unless a state is named."""
    state = state or {201: "SETTLED", 200: "SETTLED", 202: "PENDING"}.get(status, "")
    shows = {"state": state, "payload": sent, "body": body} if state else {}
    return Answer(payment="P", method="POST", region="r", at=at, seconds=seconds, status=status, sent=sent, **shows)


def get(at: float, status: int, payload: str = A, *, state: str = "PENDING", body: str = "one") -> Answer:
    shows = {"state": state, "payload": payload, "body": body} if status == 200 else {}
    return Answer(payment="P", method="GET", region="r", at=at, seconds=1.0, status=status, **shows)


TRUE: dict[str, Sequence[Answer]] = {
    "settled, repeated, read": (post(0, 201), post(2, 200), get(4, 200, state="SETTLED")),
    "accepted, pending, settled": (post(0, 202), get(2, 200), get(4, 200, state="SETTLED"), post(6, 200)),
    "in doubt, then declined": (
        post(0, 202, state="IN_DOUBT"),
        get(2, 200, state="IN_DOUBT"),
        get(4, 200, state="DECLINED", body="two"),
    ),
    "unknown, never done": (post(0, 503), get(2, 404), post(4, 0), get(6, 404)),
    "unknown, done in the end": (post(0, 503), get(2, 404), get(4, 200), post(6, 200)),
    "unknown, done after the answer": (post(0, 0), get(5, 404), get(7, 200, state="SETTLED")),
    "racing payloads, one wins": (post(0, 201, A), post(0, 409, B), post(2, 422, B)),
    "racing payloads, the refused one first": (post(0, 503, A), post(0, 422, B), post(2, 200, A)),
    "a contested payload, shown before it lost": (post(0, 503, A), post(0, 503, B), get(2, 200, A), post(4, 201, B)),
    "answers that cross": (post(0, 201, seconds=9.0), get(1, 404), get(3, 200), get(5, 200, state="SETTLED")),
    "refused before it was looked at": (post(0, 400), get(2, 404), post(4, 429), get(6, 404)),
}
FALSE: dict[str, tuple[Sequence[Answer], Sequence[int]]] = {
    "404 after 202": ((post(0, 202), get(2, 404)), (0, 1)),
    "404 after a GET showed the end": ((post(0, 503), get(2, 200, state="SETTLED"), get(4, 404)), (1, 2)),
    "pending after 201": ((post(0, 201), get(2, 200)), (0, 1)),
    "202 after 201": ((post(0, 201), post(2, 202)), (0, 1)),
    "two bodies for one id": ((post(0, 201), get(2, 200, state="SETTLED", body="two")), (0, 1)),
    "settled, then declined": ((post(0, 201), post(2, 200, state="DECLINED", body="two")), (0, 1)),
    "409 after 201": ((post(0, 201), post(2, 409)), (0, 1)),
    "409 after 202": ((post(0, 202), post(2, 409)), (0, 1)),
    "409 for another payload after the end": ((post(0, 201), post(2, 409, B)), (0, 1)),
    "422 then settled": ((post(0, 503, B), post(2, 422, A), post(4, 201, A)), (1, 2)),
    "both payloads accepted": ((post(0, 202, A), post(0, 202, B)), (0, 1)),
    "the end of a payload that was not accepted": (
        (post(0, 202, A), post(0, 503, B), get(2, 200, B, state="SETTLED")),
        (0, 2),
    ),
    "pending as another payload than the accepted one": ((post(0, 202, A), post(0, 503, B), get(2, 200, B)), (0, 2)),
    "another payload's end as the answer": ((replace(post(0, 201), payload=B), post(0, 503, B)), (0,)),
    "a payload that nobody had posted yet": ((get(0, 200), post(2, 201)), (0,)),
    "refused for a payload that nobody posted": ((post(0, 422, A), post(2, 503, B)), (0,)),
}


@pytest.mark.parametrize("name", TRUE)
def test_what_may_happen_is_explained(name: str) -> None:
    assert contradiction(TRUE[name]) == ()


@pytest.mark.parametrize("name", FALSE)
def test_a_planted_history_is_refused_with_its_shortest_proof(name: str) -> None:
    answers, proof = FALSE[name]
    noise = [post(20.0 + n, 503) for n in range(3)]
    assert contradiction((*answers, *noise)) == tuple(answers[index] for index in proof)


def test_a_longer_proof_lacks_no_answer() -> None:
    """Each two of these can be true: accepted for A after B was refused, while A is read as not there."""
    answers = (post(0, 503, B), get(2, 200, B), get(4, 200, A), post(0, 503, A), post(6, 422, A), get(8, 200, A))
    proof = contradiction(answers)
    assert len(proof) == 2
    assert not explained([each if each in proof else replace(each, status=0) for each in answers])


def test_the_search_agrees_with_trying_every_order() -> None:
    """Against a search without any shortcut, on thousands of small random histories, true and false ones."""
    dice = random.Random(7)
    verdicts = []
    for _ in range(3000):
        answers = [_drawn(dice) for _ in range(dice.randint(1, 4))]
        verdicts.append(explained(answers))
        assert verdicts[-1] == _by_every_order(answers), "\n".join(map(in_words, answers))
    assert 0.2 < sum(verdicts) / len(verdicts) < 0.8


def _drawn(dice: random.Random) -> Answer:
    at, sent = float(dice.randint(0, 4)), dice.choice((A, A, B))
    if dice.random() < 0.5:
        return post(at, dice.choice((201, 200, 202, 409, 422, 503)), sent, body=dice.choice(("one", "one", "two")))
    return get(at, dice.choice((200, 200, 404)), sent, state=dice.choice(("PENDING", "SETTLED")))


def _by_every_order(answers: Sequence[Answer]) -> bool:
    """Every order of the telling answers that real time allows, played on the model."""
    posted: dict[str, float] = {}
    for each in answers:
        if each.sent:
            posted[each.sent] = min(each.at, posted.get(each.sent, each.at))
    told = [each for each in answers if each.status in history.TELLING]
    return any(_plays(order, posted) for order in permutations(told))


def _plays(order: Sequence[Answer], posted: dict[str, float]) -> bool:
    models, now = {history.Model()}, 0.0
    for each in order:
        now = max(now, each.at, posted.get(each.payload, 99.0) if each.payload else 0.0)
        if now > each.end:
            return False
        models = {after for model in models for after in history.AFTER[each.method](model, each, posted)}
    return bool(models)


def test_a_payload_is_the_same_however_it_is_written() -> None:
    asked = {"id": "P", "amount": "99.990", "currency": "USD", "timestamp": "2024-01-15T10:30:00+00:00"}
    answer = {"transactionId": "P", "amount": "99.99", "currency": "USD", "timestamp": "2024-01-15T10:30:00Z"}
    assert payload_of(asked) == payload_of(answer) != payload_of({**answer, "amount": "99.98"})
