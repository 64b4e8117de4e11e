"""Dead letters in numbers, with a queue that behaves as SQS does: a handle is good until the letter is shown again."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from email.utils import formatdate
from types import SimpleNamespace
from typing import Any

import pytest

from payctl.cloud import together
from payctl.commands.show import render_letters
from payctl.outcomes import untold
from payctl.outcomes.untold import Told
from payctl.payments import dead_letters, redrive
from payctl.payments.dead_letters import Letter, State
from stacksets.errors import ToolError
from stacksets.progress import Silent

REGION = "eu-west-1"
PAID = {"amount": "1.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}
START_SECONDS = 6.0


class Queue:
    """A queue and a workflow, on a clock of their own."""

    def __init__(self, bodies: dict[str, str]) -> None:
        self.now = 0.0
        self.left = bodies
        self.hidden_until: dict[str, float] = {}
        self.handles: dict[str, str] = {}
        self.started = Counter[str]()
        self.sent = dict.fromkeys(bodies, 0.0)
        self.fails_again = False
        self._lock = threading.Lock()

    def receive_message(self, **asked: Any) -> dict[str, Any]:
        visible = [name for name in self.left if self.hidden_until.get(name, 0) <= self.now]
        names = visible[: asked["MaxNumberOfMessages"]]
        self.now += 0.1 if names else asked["WaitTimeSeconds"]
        for name in names:
            self.hidden_until[name] = self.now + asked["VisibilityTimeout"]
            self.handles[name] = f"{name} at {self.now}"
        assert asked["MessageSystemAttributeNames"] == ["SentTimestamp"]
        messages = [
            {
                "MessageId": name,
                "Body": self.left[name],
                "ReceiptHandle": self.handles[name],
                "Attributes": {"SentTimestamp": str(int(self.sent[name] * 1000))},
            }
            for name in names
        ]
        return {"Messages": messages} if messages else {}

    def get_queue_attributes(self, **_: Any) -> dict[str, Any]:
        return {"ResponseMetadata": {"HTTPHeaders": {"date": formatdate(self.now, usegmt=True)}}}

    def delete_message(self, *, ReceiptHandle: str, **_: Any) -> None:
        name = self._name(ReceiptHandle)
        if name:
            del self.left[name]

    def change_message_visibility_batch(self, *, Entries: list[Any], **_: Any) -> None:
        assert 1 <= len(Entries) <= 10
        assert len({entry["Id"] for entry in Entries}) == len(Entries)
        for entry in Entries:
            if name := self._name(entry["ReceiptHandle"]):
                self.hidden_until[name] = self.now + entry["VisibilityTimeout"]

    def start_execution(self, *, input: str, **_: Any) -> None:
        with self._lock:
            self.now += START_SECONDS
            payment = json.loads(input)["transaction"]["id"]
            self.started[payment] += 1
            if self.fails_again:
                name = f"again-{payment}-{self.started[payment]}"
                self.left[name], self.sent[name] = json.dumps({"reason": "x", **json.loads(input)}), self.now

    def _name(self, handle: str) -> str:
        name = handle.partition(" ")[0]
        good = self.handles.get(name) == handle and name in self.left and self.hidden_until[name] > self.now
        return name if good else ""

    @property
    def visible(self) -> set[str]:
        return {name for name in self.left if self.hidden_until.get(name, 0) <= self.now}


def environment(queue: Queue) -> Any:
    def everywhere(call: Callable[[str], Any], regions: Any) -> Any:
        return together(call, regions)

    cloud = SimpleNamespace(
        account="111122223333", everywhere=everywhere, sqs=lambda _: queue, stepfunctions=lambda _: queue
    )
    return SimpleNamespace(
        cloud=cloud,
        names=SimpleNamespace(state_machine=lambda region: f"arn:aws:states:{region}:1:stateMachine:m"),
        report=Silent(),
        api_outputs={REGION: {"DeadLetterQueueUrl": "https://queue"}},
    )


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Queue:
    """Three hundred letters, of which every tenth holds no payment."""
    bodies = {
        f"m{number}": json.dumps({"reason": "x", "transaction": {"id": f"T{number}", **PAID}} if number % 10 else {})
        for number in range(300)
    }
    made = Queue(bodies)
    monkeypatch.setattr(dead_letters, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_any_number_of_letters_is_started_once_and_removed_though_it_takes_longer_than_they_are_hidden(
    queue: Queue,
) -> None:
    told: list[Letter] = []
    redrive.redrive(environment(queue), (REGION,), told.append)
    assert queue.now > 4 * dead_letters.HIDDEN_SECONDS
    assert set(queue.started.values()) == {1}
    assert len(queue.started) == 270
    assert len(queue.left) == 30, "what holds no payment stays"
    assert queue.visible == set(queue.left), "for others too"
    assert Counter(letter.state for letter in told) == {State.REDRIVEN: 270, State.KEPT: 30}, "each is told of once"


def test_a_workflow_that_fails_again_is_not_started_again_and_again(queue: Queue) -> None:
    queue.fails_again = True
    told: list[Letter] = []
    redrive.redrive(environment(queue), (REGION,), told.append)
    assert set(queue.started.values()) == {1}
    assert len(told) == 300
    assert len(queue.visible) == len(queue.left) == 300, "its new letter is for the next time"


@pytest.mark.parametrize(
    ("discard", "states", "left"),
    [
        (
            False,
            {"ALL": State.REDRIVEN, "NEVER": State.UNTOLD, "NOT_NOW": State.NOT_NOW, "": State.KEPT},
            {"gone", "throttled", "poison"},
        ),
        (
            True,
            {"ALL": State.REDRIVEN, "NEVER": State.REMOVED, "NOT_NOW": State.NOT_NOW, "": State.DISCARDED},
            {"throttled"},
        ),
    ],
)
def test_outcome_events_that_can_be_told_are_told_before_a_letter_is_removed(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, *, discard: bool, states: dict[str, State], left: set[str]
) -> None:
    named = {"told": "ALL", "gone": "NEVER", "throttled": "NOT_NOW"}
    queue.left = {name: json.dumps({"untold": payment}) for name, payment in named.items()} | {"poison": "{}"}
    queue.sent = dict.fromkeys(queue.left, 0.0)
    monkeypatch.setattr(untold, "tell", lambda _, region, name: region == REGION and Told[name["payment"]])
    told: list[Letter] = []
    redrive.redrive(environment(queue), (REGION,), told.append, discard=discard)
    assert {(each.untold or {}).get("payment", ""): each.state for each in told} == states
    assert set(queue.left) == left


@pytest.mark.parametrize("discard", [False, True])
def test_an_event_that_could_not_be_decrypted_is_never_removed(queue: Queue, *, discard: bool) -> None:
    """EventBridge guide, "Decrypting events in EventBridge dead-letter queues"."""
    bus, key = "arn:aws:events:eu-west-1:111122223333:event-bus/payment-events", "arn:aws:kms:eu-west-1:1:key/k"
    detail = {"event-bus-arn": bus, "rule-arn": f"{bus}/rule", "kms-key-arn": key, "encrypted-payload": "AgR4qiru"}
    event = {"version": "0", "source": "aws.events", "detail-type": "Encrypted Events", "detail": detail}
    queue.left, queue.sent = {"locked": json.dumps(event)}, {"locked": 0.0}
    told: list[Letter] = []
    redrive.redrive(environment(queue), (REGION,), told.append, discard=discard)
    assert [(each.state, each.reason) for each in told] == [(State.ENCRYPTED, f"encrypted with {key} on {bus}")]
    assert set(queue.left) == {"locked"}


def test_what_is_not_removed_is_shown_again_whatever_ends_the_run(queue: Queue) -> None:
    def break_off(_: Letter) -> None:
        raise ToolError("enough")

    with pytest.raises(ToolError, match="enough"):
        dead_letters.look(environment(queue), (REGION,), break_off)
    assert len(queue.visible) == 300


def test_one_letter_is_found_without_a_look_into_the_others(queue: Queue) -> None:
    told: list[Letter] = []
    redrive.redrive(environment(queue), (REGION,), told.append, only="m15")
    assert [(letter.message_id, letter.state) for letter in told] == [("m15", State.REDRIVEN)]
    assert queue.now < START_SECONDS + 1, "it is in the second page"
    assert len(queue.visible) == 299


def test_no_more_letters_are_hidden_at_once_than_sqs_allows(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "HELD", 50)
    told: list[Letter] = []
    dead_letters.look(environment(queue), (REGION,), told.append)
    assert len(told) == 60
    assert len(queue.visible) == 300


def test_letters_are_all_in_json_and_the_first_in_a_table(
    queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(render_letters, "IN_MEMORY", 1000)
    for as_json in (True, False):
        letters = render_letters.Letters(as_json=as_json)
        dead_letters.look(environment(queue), (REGION,), letters.add)
        letters.show()
        shown = capsys.readouterr().out
        if as_json:
            assert len(json.loads(shown)) == 300
        else:
            assert shown.count(REGION) == render_letters.FIRST
            assert "300 dead letters, the first 100 of them above\n  300 seen\n" in shown


def test_no_letter_is_an_empty_list(capsys: pytest.CaptureFixture[str]) -> None:
    render_letters.Letters(as_json=True).show()
    assert json.loads(capsys.readouterr().out) == []
