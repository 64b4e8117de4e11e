"""Answers of the API: each is one of docs/openapi.json, with all of its headers, and says when to come back."""

import json
from typing import Any

import pytest
from payments import api
from payments.protocol.flows import Reply
from payments.protocol.values import Payment, intent_of

from tests.contract.answers import fault
from tests.payments.test_settlement import YES

INTENT = intent_of(Payment("T1", 9999, "USD", 1_705_314_600_000_000, "123456789012"))
PAYMENTS, ONE = ("POST", "/payments"), ("GET", "/payments/T1")


def judged(answer: dict[str, Any], method: str, path: str) -> dict[str, str]:
    """The headers of an answer that is as it should be."""
    headers: dict[str, str] = answer["headers"]
    assert answer["isBase64Encoded"] is False
    assert not fault(method, path, answer["statusCode"], headers, json.loads(answer["body"]))
    assert headers["Cache-Control"] == "no-store"
    return headers


@pytest.mark.parametrize(
    ("where", "code", "after"),
    [
        (PAYMENTS, 400, None),
        (PAYMENTS, 403, None),
        (PAYMENTS, 409, "1"),
        (PAYMENTS, 422, None),
        (PAYMENTS, 503, "2"),
        (ONE, 400, None),
        (ONE, 403, None),
        (ONE, 404, None),
        (ONE, 503, "2"),
    ],
)
def test_a_problem_is_one_and_says_when_to_come_back(where: tuple[str, str], code: int, after: str | None) -> None:
    answer = api.problem(code)
    headers = judged(answer, *where)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers.get("Retry-After") == after
    body = json.loads(answer["body"])
    assert body.keys() == {"type", "title", "status", "detail"}
    assert body["status"] == code


def test_a_problem_names_every_fault() -> None:
    answer = api.problem(400, [("amount", "is below zero"), ("currency", "is none")])
    judged(answer, *PAYMENTS)
    assert [each["field"] for each in json.loads(answer["body"])["faults"]] == ["amount", "currency"]


@pytest.mark.parametrize("code", [200, 201, 202])
def test_a_payment_is_told_where_it_is_on_its_way_only(code: int) -> None:
    final = code != 202
    reply = Reply(code, INTENT, YES if final else None, "SETTLED" if final else "PENDING")
    answer = api.answer(reply, "/prod/payments")
    headers = judged(api.replayed(answer) if code == 200 else answer, *PAYMENTS)
    assert headers["Content-Type"] == "application/json"
    told = {"Location": "/prod/payments/T1", "Retry-After": "2"}
    assert {name: headers.get(name) for name in told} == (dict.fromkeys(told) if final else told)
