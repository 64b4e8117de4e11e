"""Outcome events: how payments ended, told on the bus of each Region (docs/design.md, "Outcome events")."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from localcloud.client import ACCOUNT
from tests.e2e.subscriber import Subscriber, subscribe
from tests.e2e.support import REGIONS, ROOT, Environment, eventually, region_down
from tests.e2e.test_operator import PENDING_SECONDS, die_after, janitors, passes, silent_processor

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "outcome-event.json").read_text()))


@pytest.fixture(scope="module")
def merchant(dev: Environment) -> Subscriber:
    return subscribe(dev, "merchant")


def test_each_region_tells_of_a_payment_with_one_id(dev: Environment, merchant: Subscriber, payment: str) -> None:
    told = dev.pay(payment, amount="12.50").body
    events = [merchant.told(payment, region) for region in REGIONS]
    assert [event["region"] for event in events] == list(REGIONS)
    assert {event["detail-type"] for event in events} == {"payment.settled"}
    assert events[0]["detail"] == events[1]["detail"] == events[2]["detail"]
    assert len({event["id"] for event in events}) == len(REGIONS)
    for event in events:
        assert [error.message for error in SCHEMA.iter_errors(event)] == []
    del told["message"]
    assert {"id": events[0]["detail"]["id"], **told} == events[0]["detail"]


@pytest.mark.evidence
def test_in_doubt_is_told_by_the_janitor_and_overridden_by_the_end(forgetful: Environment, payment: str) -> None:
    heard = subscribe(forgetful, "doubts")
    die_after(forgetful, "CHARGE", payment)
    with silent_processor(forgetful):
        for _ in range(2):
            passes(forgetful, payment, 2 * PENDING_SECONDS, due=0)
            janitors(forgetful)
    told = [event for region in REGIONS for event in heard.of(payment, region)]
    assert {event["detail-type"] for event in told} == {"payment.in_doubt"}
    assert [error.message for event in told for error in SCHEMA.iter_errors(event)] == []
    assert len({event["detail"]["id"] for event in told}) == 1
    assert {event["detail"]["status"] for event in told} == {"IN_DOUBT"}
    passes(forgetful, payment, 2 * PENDING_SECONDS, due=0)
    janitors(forgetful)
    ends = [heard.told(payment, region, lambda event: event["detail"]["status"] != "IN_DOUBT") for region in REGIONS]
    assert {event["detail-type"] for event in ends} == {"payment.settled"}
    assert {event["detail"]["reference"] for event in ends} == {ends[0]["detail"]["reference"]}


@pytest.mark.evidence
def test_an_unreadable_record_is_a_letter_until_it_can_be_told(dev: Environment, payment: str) -> None:
    """Written by hand, for no release writes such a record."""
    heard, table, key = subscribe(dev, "unreadable"), f"payments-{dev.name}", {"TransactionId": {"S": payment}}
    records = dev.client("dynamodb")
    records.put_item(TableName=table, Item=key | {"Content": {"S": "not JSON"}})
    try:
        (letter,) = eventually(lambda: letters(dev))
        assert letter["untold"] == {"payment": payment}
        assert letter["state"] == "seen"
        refused = dev.payctl("redrive", "--region", REGIONS[0], "--yes", check=False)
        assert refused.returncode == 2, refused
        result = {"at": 1, "hash": "0" * 64, "rail": "ledger", "region": REGIONS[0], "account": ACCOUNT}
        whole = {
            "Content": {"S": json.dumps({**result, "status": "DECLINED"})},
            "Amount": {"N": "1.5"},
            "Currency": {"S": "EUR"},
            "Timestamp": {"N": "1705314600"},
        }
        for region in REGIONS:
            eventually(partial(letters, dev, region))
        records.put_item(TableName=table, Item=key | whole)
        for region in REGIONS:
            heard.told(payment, region)
            dev.payctl("redrive", "--region", region, "--yes")
            assert letters(dev, region) == []
            assert len({event["detail"]["id"] for event in heard.of(payment, region)}) == 1
            assert len(heard.of(payment, region)) >= 2, "once by the stream, once by the letter"
    finally:
        records.delete_item(TableName=table, Key=key)


def letters(environment: Environment, region: str = REGIONS[0]) -> list[dict[str, Any]]:
    """The dead letters of outcome events."""
    shown = json.loads(environment.payctl("redrive", "--list", "--region", region, "--json", check=False).stdout)
    return [letter for letter in shown if letter["untold"]]


def test_ends_are_kept_and_can_be_replayed(dev: Environment, merchant: Subscriber, payment: str) -> None:
    """To one rule: the others have heard of them. What Regions hand over is not kept."""
    dev.pay(payment)
    first = merchant.told(payment, REGIONS[0])
    events, region = dev.client("events"), REGIONS[0]
    archive = events.describe_archive(ArchiveName=f"payment-outcomes-{region}-{dev.name}")
    assert json.loads(archive["EventPattern"]) == {"source": ["payment.outcomes"]}
    assert archive["RetentionDays"] == 30
    now = datetime.now(UTC)
    bus = f"arn:aws:events:{region}:{ACCOUNT}:event-bus/payment-events-{region}-{dev.name}"
    events.start_replay(
        ReplayName=payment,
        EventSourceArn=archive["ArchiveArn"],
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now + timedelta(hours=1),
        Destination={
            "Arn": bus,
            "FilterArns": [f"arn:aws:events:{region}:{ACCOUNT}:rule/{bus.split('/')[1]}/merchant"],
        },
    )
    again = merchant.told(payment, region, lambda event: "replay-name" in event)
    assert again["detail"] == first["detail"]


@pytest.mark.evidence
def test_the_example_acts_once_on_each_end_while_a_region_is_lost(
    dev: Environment, payment: str, tmp_path: Path
) -> None:
    """One that was told in all Regions, and one that was told while a Region was away."""
    heard = subscribe(dev, "example")
    command = [sys.executable, str(ROOT / "examples/python/subscriber.py"), str(tmp_path / "ends"), "example", *REGIONS]
    keys = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "test")

    def run() -> list[dict[str, Any]]:
        environ = os.environ | keys | {"AWS_ENDPOINT_URL": dev.cloud.endpoint}
        done = subprocess.run(
            [*command, "--seconds", "0.9"], env=environ, capture_output=True, text=True, check=True, timeout=60
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    dev.pay(payment)
    with region_down(dev, REGIONS[0]):
        dev.pay(f"{payment}b", region=REGIONS[1])
        acted = run()
    eventually(lambda: dev.cloud.admin("GET", "/quiet")["quiet"])
    acted += run()
    ours = sorted(detail["transactionId"] for detail in acted if detail["transactionId"].startswith(payment))
    assert ours == [payment, f"{payment}b"]
    assert heard.of(payment, REGIONS[0]) == [], "what was acted on is deleted"
