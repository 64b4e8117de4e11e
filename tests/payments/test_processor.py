"""The client of the external processor, against the sandbox: what it says, and what its silence means."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from payments.aws import AwsError
from payments.processors.common import ANSWERS, SILENCES, TROUBLES, Meaning, Secret, Trouble
from payments.processors.http import Processor
from payments.protocol.ports import CANCELLED, LOST, NOT_SENT, Cancel, Charge, Lookup, Refusal, Verdict

import localcloud
from tests.payments.server import Server, serving

Tell = Callable[..., Any]


@pytest.fixture
def tell(cloud: localcloud.LocalCloud) -> Iterator[Tell]:
    """Have the sandbox behave; it behaves well afterwards."""
    yield lambda **behaviour: cloud.admin("PUT", "/processor/admin", behaviour)
    cloud.admin("DELETE", "/processor/admin")


class Till:
    """A processor client, and one charge."""

    def __init__(self, url: str, secrets: list[str] | None = None) -> None:
        self.reads = 0
        self.secrets = secrets or ["sandbox-secret"]
        self.processor = Processor(url, Secret(self.read))
        self.key = uuid.uuid4().hex
        self.charge = Charge(url, self.key, f"T{self.key}", 9999, "USD")

    def read(self) -> str:
        self.reads += 1
        return self.secrets[min(self.reads, len(self.secrets)) - 1]

    def pay(self, seconds: float = 5.0) -> Any:
        return self.processor.charge(self.charge, seconds)

    def lookup(self) -> Any:
        return self.processor.lookup(Lookup("", self.key))

    def cancel(self) -> Any:
        return self.processor.cancel(Cancel("", self.key))


@pytest.fixture
def till(cloud: localcloud.LocalCloud) -> Till:
    return Till(f"{cloud.admin_url}/processor")


def charges(cloud: localcloud.LocalCloud, till: Till) -> int:
    return int(cloud.admin("GET", "/processor/admin")["by_key"].get(till.key, 0))


def test_a_charge_is_made_once_and_told_again(cloud: localcloud.LocalCloud, till: Till) -> None:
    first = till.pay()
    assert isinstance(first, Verdict)
    assert first.settled
    assert till.pay() == till.lookup() == first
    assert charges(cloud, till) == 1


def test_a_decline_is_a_verdict(cloud: localcloud.LocalCloud, till: Till, tell: Tell) -> None:
    tell(decline_share=1)
    first = till.pay()
    assert isinstance(first, Verdict)
    assert not first.settled
    assert till.lookup() == first
    assert charges(cloud, till) == 0


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_failing_processor_may_have_charged(till: Till, tell: Tell, status: int) -> None:
    tell(fail=status)
    assert till.pay() is LOST


FINAL_WORDS = {
    200: (b'{"status": "succeeded", "id": "ch_1"}', Verdict(True, "ch_1")),
    201: (b'{"status": "succeeded", "id": "ch_1"}', Verdict(True, "ch_1")),
    402: (b'{"status": "declined", "id": "ch_1"}', Verdict(False, "ch_1")),
    410: (b'{"status": "cancelled"}', CANCELLED),
}
OTHERS = (204, 302, 408, 418, 425, 500, 502, 503, 504)
"""Statuses that the table does not name."""


@pytest.mark.parametrize("status", [*ANSWERS, *OTHERS])
def test_every_answer_means_what_the_table_says(status: int) -> None:
    meaning = ANSWERS.get(status, Meaning.UNKNOWN)
    server = Server()
    server.status = status
    server.body, final = FINAL_WORDS.get(status, (b"{}", None))
    expected = {
        Meaning.FINAL: final,
        Meaning.REFUSED: Refusal(str(status)),
        Meaning.NOT_DONE: NOT_SENT,
        Meaning.UNKNOWN: LOST,
    }
    with serving(server) as url:
        assert Till(url).pay() == expected[meaning]
        if meaning is Meaning.FINAL:
            server.body = b'{"status": "processing"}'
            assert Till(url).pay() is LOST, "no final word"
            server.body = b"<html>"
            assert Till(url).pay() is LOST
    assert server.seen[0]["headers"]["idempotency-key"]


@pytest.mark.parametrize("trouble", Trouble)
def test_every_trouble_means_what_the_table_says(trouble: Trouble) -> None:
    def unreadable() -> str:
        raise AwsError("AccessDeniedException")

    server = Server()
    with serving(server) as url:
        till = Till(url if trouble is not Trouble.NO_CONNECTION else "http://127.0.0.1:1/rail")
        if trouble is Trouble.UNREADABLE:
            till.processor.secret = Secret(unreadable)
        server.answering.clear()
        answer = till.pay(0.2)
    assert answer is SILENCES[TROUBLES[trouble]]
    assert server.requests == (trouble is Trouble.NO_ANSWER), "what was not done was not sent"


def test_the_page_shows_the_table() -> None:
    page = " ".join((Path(__file__).parents[2] / "docs" / "processor.md").read_text().split())
    for meaning in Meaning:
        statuses = ", ".join(str(status) for status in sorted(ANSWERS) if ANSWERS[status] is meaning)
        troubles = "; ".join(trouble.value for trouble in Trouble if TROUBLES[trouble] is meaning)
        rest = "any other status" if meaning is Meaning.UNKNOWN else ""
        row = f"| {'; '.join(filter(None, (statuses, rest, troubles)))} | {meaning.value} |"
        assert row in page, row


def test_a_lost_reply_is_unknown_and_the_lookup_knows(cloud: localcloud.LocalCloud, till: Till, tell: Tell) -> None:
    assert till.lookup() is None  # leaves a connection that could be used again
    calls = cloud.admin("GET", "/processor/admin")["calls"]
    tell(lose_reply_share=1)
    assert till.pay() is LOST
    tell(lose_reply_share=0)
    assert cloud.admin("GET", "/processor/admin")["calls"] == calls + 1  # above all it was not sent again
    assert isinstance(till.lookup(), Verdict)
    assert charges(cloud, till) == 1


def test_a_slow_processor_is_unknown_in_time(till: Till, tell: Tell) -> None:
    tell(delay=3)
    assert till.pay(0.2) is LOST


def test_nobody_listening_is_provably_not_charged() -> None:
    assert Till("http://127.0.0.1:1/rail").pay() is NOT_SENT


def test_no_secret_no_charge(till: Till) -> None:
    def fail() -> str:
        raise AwsError("AccessDeniedException")

    till.processor.secret = Secret(fail)
    assert till.pay() is NOT_SENT


def test_a_refused_secret_is_read_again_once(cloud: localcloud.LocalCloud, tell: Tell) -> None:
    tell(secret="new-secret")
    till = Till(f"{cloud.admin_url}/processor", ["old-secret", "new-secret"])
    assert isinstance(till.pay(), Verdict)
    assert till.reads == 2
    till.pay()
    assert till.reads == 2  # kept
    wrong = Till(f"{cloud.admin_url}/processor", ["wrong"])
    assert wrong.pay() == Refusal("401")
    assert wrong.reads == 2


def test_a_cancelled_key_is_never_charged(cloud: localcloud.LocalCloud, till: Till) -> None:
    assert till.cancel() is None
    assert till.pay() == till.lookup() == CANCELLED
    assert till.cancel() is None
    assert charges(cloud, till) == 0


def test_a_charge_that_was_declined_is_not_taken_for_cancelled(till: Till, tell: Tell) -> None:
    tell(decline_share=1)
    first = till.pay()
    assert till.cancel() == first


def test_a_charge_that_was_made_cannot_be_cancelled(till: Till) -> None:
    first = till.pay()
    assert till.cancel() == first


def test_an_unknown_key_is_unknown(till: Till) -> None:
    assert till.lookup() is None
