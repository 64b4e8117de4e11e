"""The profile against a fresh count: whoever changes what a payment does counts again (`make profile`)."""

import json
from typing import Any

import pytest

from payctl.costs.profile import FILE
from tests.costs.count import count

STORED = json.loads(FILE.read_text())
BYTES = ("transfer.region", "transfer.internet", "logs.ingested")
Key = tuple[str, str, str, str]


def a_payment(kind: dict[str, Any]) -> dict[Key, float]:
    """What one payment uses, without what depends on the moment: a look at the registers every now and then, what is
    measured, and how many outcome events one invocation tells."""
    return {
        (row["region"], row["cause"], row["operation"], row["item"]): row["amount"] / kind["number"]
        for row in kind["lines"]
        if not row["item"].startswith("measured.")
        and (row["operation"], row["item"]) != ("GetItem payment-register", "dynamodb.read")
        and not (row["cause"] == "janitor" and row["item"] in (*BYTES, "lambda.gb-second"))
        and not (row["cause"] == "outcomes" and row["operation"] == "invocation")
    }


@pytest.mark.evidence
@pytest.mark.parametrize("kinds", [("ledger", "failover"), ("processor", "declined")], ids=" and ".join)
def test_a_fresh_count_is_what_the_profile_says(kinds: tuple[str, ...]) -> None:
    fresh = count(2, kinds)
    for kind in kinds:
        was, is_now = a_payment(STORED["payments"][kind]), a_payment(fresh["payments"][kind])
        assert was.keys() == is_now.keys(), f"{kind}: run `make profile`"
        for key, amount in is_now.items():
            *_, item = key
            if item in BYTES:
                assert amount == pytest.approx(was[key], rel=0.15), (kind, key)
            elif item == "lambda.gb-second":  # of a busy machine; of a failover, processes that start are most of it
                assert kind == "failover" or 0.7 < amount / was[key] < 2, (kind, key)
            else:
                assert amount == pytest.approx(was[key], rel=1e-3), f"{kind}, {key}: run `make profile`"
        stored, now = (
            {(row["region"], row["item"], row["what"]): row["bytes"] / each["number"] for row in each["stored"]}
            for each in (STORED["payments"][kind], fresh["payments"][kind])
        )
        assert now == pytest.approx(stored, rel=0.05), kind
    assert [row for row in fresh["standing"] if row["item"] != "cloudwatch.metric"] == [
        row for row in STORED["standing"] if row["item"] != "cloudwatch.metric"
    ]
    assert fresh["memory"] == STORED["memory"]
