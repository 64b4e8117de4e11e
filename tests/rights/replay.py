"""Judges recorded decisions again, by the policies of the templates and by these without one of their rights."""

import json
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

from localcloud.iam.evaluation import Call, Verdict, call, judge, trusts
from tests.rights.forbidden import table
from tests.rights.policies import Book, Right

FILE = Path(__file__).with_name("decisions.json")
Decision = dict[str, Any]


@cache
def book() -> Book:
    return Book()


@cache
def recorded() -> tuple[Decision, ...]:
    return tuple(json.loads(FILE.read_text()))


def evidence() -> list[Decision]:
    """What was recorded, and what must be refused."""
    return [*recorded(), *refused()]


@cache
def refused() -> tuple[Decision, ...]:
    """The forbidden calls, as decisions."""
    return tuple(
        {
            "principal": each.arn,
            "action": each.action,
            "resource": "*" if each.resource == "*" else f"arn:aws:{each.resource}",
            "context": each.context,
            "allowed": False,
            "by": "a call that must be refused",
            "trust": False,
        }
        for each in table()
    )


def asked(decision: Decision) -> Call:
    return call(decision["principal"], decision["action"], decision["resource"], decision["context"])


def allowed(decision: Decision, without: Right | None = None) -> bool:
    """What the templates' policies say, without one right."""
    this = asked(decision)
    if decision["trust"]:
        document = book().trust.get(this.resource)
        if document is None:
            return False
        right = without if without is not None and without[:3] == document[:3] else None
        return trusts(document.text(right), this.principal, this.context)
    verdict: Verdict = judge(this, book().policies(this.principal, this.resource, without))
    return verdict.allowed


def proofs(right: Right, decisions: Iterable[Decision]) -> Iterator[Decision]:
    """The decisions that would be others without this right."""
    for decision in decisions:
        if fnmatch(decision["action"], right.action) and allowed(decision, right) != decision["allowed"]:
            yield decision


def rights() -> list[Right]:
    """Every right of every policy, once for all Regions."""
    return sorted({right for document in book().documents() for right in document.rights()})
