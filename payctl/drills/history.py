"""Whether what clients were told of a payment can all be true: linearizability of the answers about one id.

Every answer must have taken effect at one moment between its request and its arrival, so that all of them together are
a run of this small model of the API, which holds the accepted payload and the end of one id:

    POST 201, 200   the end, with this body, of the payload that was sent
    POST 202        the payload that was sent is accepted and has not ended
    POST 409        another payload than the accepted one, and nothing has ended
    POST 422        another payload is accepted or has ended
    GET 200         the end, with this body, or a payload that has not ended: the accepted one, if one is accepted
    GET 404         nothing is accepted

An answer that does not tell the outcome (503, or none at all) may have done its work at any time, or never. The search
is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993). An answer that fits and changes nothing is placed
at once, for it can only get harder to place: so nothing but the two changes of an id is ever tried in turn.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from itertools import combinations
from typing import Any, Final, NamedTuple

from payctl.drills.client_log import Answer
from payctl.payments.registers import FINAL

TELLING: Final = (200, 201, 202, 404, 409, 422)
"""The answers that tell something about an id."""
SMALL: Final = 3
"""Proofs of up to so many answers are the shortest there are; longer ones only lack nothing."""


class Model(NamedTuple):
    """One id: the payload that is accepted, and the body of its end; "" where there is none yet."""

    accepted: str = ""
    end: str = ""


Posted = Mapping[str, float]
"""When each payload was first posted."""


def shown(fields: Mapping[str, Any]) -> dict[str, str]:
    """What an answer with these fields shows: the last three fields of an Answer."""
    digest = sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]
    return {"state": str(fields.get("status", "")), "payload": payload_of(fields), "body": digest}


def payload_of(fields: Mapping[str, Any]) -> str:
    """Amount, currency and moment of a transaction or an answer, however they are written; "" where one is missing."""
    try:
        moment = datetime.fromisoformat(str(fields["timestamp"])).timestamp()
        return f"{Decimal(str(fields['amount'])).normalize():f} {fields['currency']} {moment:f}"
    except (KeyError, ArithmeticError, ValueError):
        return ""


def explained(answers: Sequence[Answer]) -> bool:
    """Whether the answers about one id are linearizable."""
    posted: dict[str, float] = {}
    for each in answers:
        if each.sent:
            posted[each.sent] = min(each.at, posted.get(each.sent, each.at))
    told = [each for each in answers if _tells(each)]
    if any(each.payload and posted.get(each.payload, each.end + 1) > each.end for each in told):
        return False  # told of a payload that nobody had posted
    return _search(Model(), told, posted)


def contradiction(answers: Sequence[Answer]) -> tuple[Answer, ...]:
    """A smallest part of the answers about one id that cannot be true whatever the other requests were told; () where
    all can be."""
    if explained(answers):
        return ()
    told = [each for each in answers if _tells(each)]
    for size in range(1, SMALL + 1):
        for part in combinations(told, size):
            if not explained(_only(answers, part)):
                return part
    left = tuple(told)
    for each in told:
        rest = tuple(other for other in left if other is not each)
        if not explained(_only(answers, rest)):
            left = rest
    return left


def contradictions(answers: Iterable[Answer]) -> dict[str, tuple[Answer, ...]]:
    """The contradictions among answers about many payments, by payment."""
    by_payment: dict[str, list[Answer]] = {}
    for each in answers:
        by_payment.setdefault(each.payment, []).append(each)
    proofs = {payment: contradiction(told) for payment, told in by_payment.items()}
    return {payment: proof for payment, proof in proofs.items() if proof}


def in_words(answer: Answer) -> str:
    """One answer, for people."""
    sent = f" ({answer.sent})" if answer.sent else ""
    body = f", body {answer.body}" if answer.state in FINAL else ""
    shows = f" {answer.state} ({answer.payload}{body})" if answer.state else ""
    return f"{answer.at:.3f}-{answer.end:.3f} s {answer.region}: {answer.method}{sent} -> {answer.status}{shows}"


def _only(answers: Sequence[Answer], part: Sequence[Answer]) -> list[Answer]:
    """The same requests, of which only some were answered."""
    kept = {id(each) for each in part}
    return [each if id(each) in kept else replace(each, status=0, state="", payload="", body="") for each in answers]


def _search(model: Model, waiting: Sequence[Answer], posted: Posted) -> bool:
    """Whether the waiting answers can all be placed after what led to the model."""
    while True:
        first = min((each.end for each in waiting), default=0.0)
        # Before it none of the others had arrived; and nobody is told of a payload before it is posted.
        possible = [each for each in waiting if max(each.at, posted.get(each.payload, 0.0)) <= first]
        steps = [(each, after) for each in possible for after in AFTER[each.method](model, each, posted)]
        unchanged = {id(each) for each, after in steps if after == model}
        if not unchanged:
            break
        waiting = [each for each in waiting if id(each) not in unchanged]
    if not waiting:
        return True
    return any(_search(after, [other for other in waiting if other is not each], posted) for each, after in steps)


def _tells(each: Answer) -> bool:
    """Whether an answer says anything of the payment."""
    return each.status in TELLING and not each.nobody


def _after_post(model: Model, each: Answer, posted: Posted) -> Iterator[Model]:
    """The model after a POST that is answered so; none where it cannot be."""
    if each.status in (200, 201, 202):
        if each.payload == each.sent:
            yield from _after_shown(model, each)
    elif each.status == 409:
        if not model.end and model.accepted != each.sent:
            yield model
    elif model.accepted:
        if model.accepted != each.sent:
            yield model
    else:
        yield from (Model(other) for other, at in posted.items() if other != each.sent and at <= each.end)


def _after_get(model: Model, each: Answer, _posted: Posted) -> Iterator[Model]:
    """The same for a GET."""
    if each.status == 404:
        if not model.accepted:
            yield model
    elif each.state in FINAL:
        yield from _after_shown(model, each)
    elif not model.end and model.accepted in ("", each.payload):
        yield model


def _after_shown(model: Model, each: Answer) -> Iterator[Model]:
    """The same for an answer that shows its payload as accepted or ended."""
    if model.accepted not in ("", each.payload):
        return
    if each.state in FINAL:
        if model.end in ("", each.body):
            yield Model(each.payload, each.body)
    elif not model.end:
        yield Model(each.payload)


AFTER: Final[Mapping[str, Callable[[Model, Answer, Posted], Iterator[Model]]]] = {
    "POST": _after_post,
    "GET": _after_get,
}
