"""`payctl payments list`, `show` and `export`: what was paid is what is shown."""

import csv
import json
import re
import stat
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from payments.log import LETTERS

from payctl.environment import Environment as Opened
from payctl.views import export, timeline
from payctl.views.listing import Wanted, decimal, finals, listing, seconds_at
from stacksets.errors import ToolError
from tests.e2e.support import REGIONS, Environment, region_down

pytestmark = pytest.mark.evidence

HOME, SECOND, THIRD = REGIONS
# No other test pays at these times.
DAYS = ("2031-05-01T12:00:00Z", "2031-05-02T12:00:00.5Z", "2031-05-02T12:00:00Z")
SINCE, UNTIL = (datetime(2031, 5, day, tzinfo=UTC).timestamp() for day in (1, 3))
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def pay(dev: Environment, payment: str, amount: str, currency: str, moment: str, **more: Any) -> None:
    transaction = {"id": payment, "amount": amount, "currency": currency, "timestamp": moment, **more}
    reply = dev.call("POST", "/payments", {"transaction": transaction})
    assert reply.status == 201, reply


@pytest.fixture(scope="module")
def ids(dev: Environment) -> list[str]:
    """Three payments, and one that is still open."""
    made = [f"viewed-{uuid.uuid4().hex.translate(LETTERS)}" for _ in range(4)]
    notes = {"reference": "+order, 1", "metadata": {"shop": '=say "hi"'}, "source": "tok_visible1234"}
    pay(dev, made[0], "10.00", "EUR", DAYS[0])
    pay(dev, made[1], "20.00", "USD", DAYS[1], **notes)
    pay(dev, made[2], "30.00", "EUR", DAYS[2])
    transaction = {"id": made[3], "amount": "40.00", "currency": "EUR", "timestamp": DAYS[0]}
    lost = dev.call("POST", "/payments", {"transaction": transaction}, headers={"X-Test-Fault": "die-after-OPEN"})
    assert lost.status == 503
    return made


def found(opened: Opened, **wanted: Any) -> list[str]:
    return [row.id for row in listing(opened, Wanted(since=SINCE, until=UNTIL, **wanted), limit=10).payments]


def test_list_is_by_time_status_currency_and_amount(opened: Opened, ids: list[str]) -> None:
    first, second, third, waiting = ids
    assert set(found(opened)) == {*ids}
    assert found(opened, most=Decimal(30)) == [second, third, first], "the newest first"
    assert found(opened, statuses=("SETTLED",), most=Decimal(30)) == [second, third, first]
    assert found(opened, statuses=("DECLINED",)) == []
    assert found(opened, currency="EUR", most=Decimal(30)) == [third, first]
    assert found(opened, least=Decimal(20), most=Decimal("29.99")) == [second]
    assert found(opened, merchant="shop") == []
    short = listing(opened, Wanted(since=SINCE, until=UNTIL, most=Decimal(30)), limit=1)
    assert ([row.id for row in short.payments], short.found) == ([second], 3)
    (row,) = listing(opened, Wanted(since=SINCE, until=UNTIL, least=Decimal(40)), limit=9).payments
    assert (row.id, row.amount, row.currency) == (waiting, "40.00", "EUR"), "not public yet, or just now"
    whole = timeline.whole(opened, waiting)
    assert (whole.status, whole.amount) == (row.status, "40.00")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2h", "2026-11-28T10:00:00+00:00"),
        ("7d", "2026-11-21T12:00:00+00:00"),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T10:30:00+02:00", "2026-11-01T08:30:00+00:00"),
    ],
)
def test_moments_are_written_in_several_ways(text: str, moment: str) -> None:
    assert datetime.fromtimestamp(seconds_at(text, NOW), UTC).isoformat() == moment


def test_what_is_no_moment_or_amount_is_refused() -> None:
    for text in ("yesterday", "999999999999d", "9999999d", "0001-01-01T00:00:00+23:00"):
        with pytest.raises(ToolError, match=f"'{re.escape(text)}' is no moment"):
            seconds_at(text, NOW)
    for text in ("much", "NaN", "Infinity"):
        with pytest.raises(ToolError, match="--min is no amount"):
            decimal("--min", text)


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "--status", "PAID"),
        ("show", "never-made"),
        ("export", "--output", "/nowhere/at/all.csv"),
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line(dev: Environment, arguments: tuple[str, ...]) -> None:
    refused = dev.payctl("payments", *arguments, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.strip().splitlines()) == 1, refused.stderr


def test_show_is_the_whole_payment_in_order(dev: Environment, opened: Opened, ids: list[str]) -> None:
    dev.settled_everywhere(ids[1])
    whole = timeline.whole(opened, ids[1])
    assert (whole.status, whole.amount, whole.currency, whole.region) == ("SETTLED", "20.00", "USD", HOME)
    assert whole.details["source"] == "****1234"
    assert whole.copies[0].cell.startswith("ended SETTLED")
    for copy in whole.copies:
        assert (copy.record, copy.trouble) == ("SETTLED", ""), copy
        assert copy.cell.startswith(("ended SETTLED", "accepted for us-east-1, due ")), copy
        assert datetime.fromisoformat(copy.receipt), copy
    assert [event.at for event in whole.events] == sorted(event.at for event in whole.events)
    told = {(event.source, event.what.split(" ")[0]) for event in whole.events}
    assert {("register", "holds"), ("register", "decided"), ("receipt", "is"), ("processor", "answered")} <= told
    printed = dev.payctl("payments", "show", ids[1]).stdout
    assert "tok_visible" not in printed


def test_show_says_what_it_could_not_read(dev: Environment, opened: Opened, ids: list[str]) -> None:
    with region_down(dev, THIRD):
        whole = timeline.whole(opened, ids[0])
    by_region = {copy.region: copy for copy in whole.copies}
    dark = by_region[THIRD]
    assert (dark.record, dark.cell, dark.receipt) == ("?", "?", "?")
    assert "does not answer" in dark.trouble
    assert by_region[HOME].record == whole.status == "SETTLED"
    assert {event.region for event in whole.events if event.source == "processor"} == {HOME}, "logs of the others"


def test_export_holds_every_final_payment_and_the_file_is_whole_or_not_there(
    dev: Environment, opened: Opened, ids: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "may.csv"
    wanted = ("--since", "2031-05-01", "--until", "2031-05-03", "--max", "30")
    said = dev.payctl("payments", "export", *wanted, "--output", str(file), "--json").stdout
    assert json.loads(said) == {"file": str(file), "payments": 3}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with file.open(newline="") as text:
        rows = {row["id"]: row for row in csv.DictReader(text)}
    assert {payment: (row["amount"], row["currency"], row["status"]) for payment, row in rows.items()} == {
        ids[0]: ("10.00", "EUR", "SETTLED"),
        ids[1]: ("20.00", "USD", "SETTLED"),
        ids[2]: ("30.00", "EUR", "SETTLED"),
    }
    row = rows[ids[1]]
    assert (row["source"], row["own_reference"]) == ("****1234", "+order, 1")
    assert json.loads(row["metadata"]) == {"shop": '=say "hi"'}

    same = file.with_suffix(".parquet")
    dev.payctl("payments", "export", *wanted, "--output", str(same))
    assert stat.S_IMODE(same.stat().st_mode) == 0o600
    columns = "id, amount, currency, epoch(time), own_reference, metadata"
    assert sorted(duckdb.read_parquet(str(same)).project(columns).fetchall()) == sorted(
        (
            row["id"],
            Decimal(row["amount"]),
            row["currency"],
            datetime.fromisoformat(row["time"]).timestamp(),
            row["own_reference"] or None,
            row["metadata"] or None,
        )
        for row in rows.values()
    )

    def breaks() -> Iterator[Any]:
        yield next(finals(opened, Wanted()))
        raise ToolError("the Region went away")

    with pytest.raises(ToolError, match="went away"):
        export.save(breaks(), tmp_path / "half.csv")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["may.csv", "may.parquet"]
