"""What `payctl accept --clean` takes for its own: whole names only, and only where something says so."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from builder import names
from payctl.acceptance import leftovers
from payctl.acceptance.leftovers import Left, belongs, find, suffixes
from payctl.environment import Environment
from stacksets.model import StackStatus

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
OWN = sorted(
    {names.fill(p, environment="accept-1", region=REGIONS[1], account="1" * 12, peer=REGIONS[2]) for p in names.LIMITS}
)
FOREIGN = (
    "payments-pre-accept-1",
    "payment-register-us-east-1-pre-accept-1",
    "payment-receipts-us-east-1-pre-accept-1-111111111111",
    "StackSet-payments-pre-accept-1-0a1b",
    "payment-accept-queue",
    "payment-register-us-west-2-accept-1",
    "payments-accept-1-copy",
    "payments-accept-0123456789",
    "my-payments-accept-1",
)


def environment(monkeypatch: pytest.MonkeyPatch, *there: str) -> Environment:
    """An account with these names in it, each as services list it."""
    left = [Left(REGIONS[0], "any", name) for name in there]
    monkeypatch.setattr(leftovers, "_everything", lambda *_: iter(left))
    none = SimpleNamespace(paginate=lambda **_: [{"Summaries": [{"StackSetName": "payments-pre-accept-2"}]}])
    cloud = SimpleNamespace(stack_sets=SimpleNamespace(get_paginator=lambda _: none))
    settings = SimpleNamespace(environment="accept-1")
    return cast("Environment", SimpleNamespace(cloud=cloud, home=REGIONS[0], regions=REGIONS, settings=settings))


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_called_otherwise_is_of_another(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    there = environment(monkeypatch, name, f"arn:aws:sns:us-east-1:111111111111:{name}", f"/aws/lambda/{name}")
    assert find(there) == ()
    assert suffixes(there) == ()


@pytest.mark.parametrize(
    "name",
    [
        *(name for name in OWN if "accept-1" in name),
        "payments-accept-1",
        "payments-global-accept-1",
        "StackSet-payments-accept-1-4f1c2a90-77aa",
        "payment-janitor-silent-us-east-1-accept-1",
        "payment-probe-accept-1",
        "https://sqs.us-east-1.amazonaws.com/111111111111/payment-dead-letters-us-east-1-accept-1",
        "arn:aws:sns:us-east-1:111111111111:payment-alerts-us-east-1-accept-1",
    ],
)
def test_whatever_an_environment_is_made_of_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    there = environment(monkeypatch, name)
    assert [left.name for left in find(there)] == [name]
    assert suffixes(there) == ("accept-1",)


TAGGED, UNTAGGED = {"Acceptance": "2026"}, {"Environment": "accept-1"}


@pytest.mark.parametrize(
    ("stack_set", "global_stack", "remembered", "own"),
    [
        (TAGGED, TAGGED, False, True),
        (TAGGED, None, False, True),
        (None, TAGGED, False, True),
        (TAGGED, UNTAGGED, True, False),
        (UNTAGGED, None, True, False),
        ({}, None, True, False),
        (None, {}, True, False),
        (None, None, True, True),
        (None, None, False, False),
    ],
)
def test_it_says_so_or_it_is_none(stack_set: Any, global_stack: Any, remembered: bool, own: bool) -> None:
    status = StackStatus.MISSING if global_stack is None else StackStatus.CREATE_COMPLETE
    survey = SimpleNamespace(
        stack_set=None if stack_set is None else SimpleNamespace(tags=stack_set),
        global_stack=SimpleNamespace(status=status, tags=global_stack or {}),
    )
    assert belongs(cast("Environment", SimpleNamespace(survey=lambda: survey)), remembered=remembered) is own
