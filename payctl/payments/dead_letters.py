"""Dead letters: workflows that no Region could finish, and events that no target took."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from payctl.environment import Environment

HIDDEN_SECONDS: Final = 300  # of a letter that is read; one that is not deleted then appears again
KEYS: Final = ("transaction", "transactionId", "account", "hash")
"""What a workflow is started with; not "tried": a new start is free to try every Region again."""


class State(StrEnum):
    """What became of a letter."""

    SEEN = "seen"
    REDRIVEN = "redriven"
    KEPT = "kept: holds no payment; repair it with --transaction, or remove it with --discard"
    DISCARDED = "removed: it held no payment"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter: `input` is what its workflow would be started with, None where it holds no payment."""

    region: str
    message_id: str
    reason: str
    payment: str
    input: dict[str, Any] | None
    handle: str
    state: State = State.SEEN


def read(environment: Environment, regions: Sequence[str]) -> list[Letter]:
    """The dead letters of the Regions. They are hidden from others for some minutes, or until `show_again`."""
    letters = environment.cloud.everywhere(lambda region: list(_read(environment, region)), regions)
    return [*itertools.chain(*letters.values())]


def look(environment: Environment, regions: Sequence[str]) -> list[Letter]:
    """The dead letters of the Regions, which can be read again at once."""
    letters = read(environment, regions)
    for letter in letters:
        show_again(environment, letter)
    return letters


def count(environment: Environment, region: str) -> int:
    """How many messages a Region's dead-letter queue holds, hidden ones included. Read only."""
    answer = environment.cloud.sqs(region).get_queue_attributes(
        QueueUrl=queue(environment, region),
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )
    return sum(int(number) for number in answer.get("Attributes", {}).values())


def queue(environment: Environment, region: str) -> str:
    """The URL of a Region's dead-letter queue."""
    return environment.api_outputs[region]["DeadLetterQueueUrl"]


def show_again(environment: Environment, letter: Letter) -> None:
    """End the hiding of a letter that was read."""
    environment.cloud.sqs(letter.region).change_message_visibility(
        QueueUrl=queue(environment, letter.region), ReceiptHandle=letter.handle, VisibilityTimeout=0
    )


def parse(body: str) -> tuple[dict[str, Any] | None, str]:
    """(workflow input, reason) of a letter: of the workflow itself, or an event that no target took. The input is None
    where it names no payment."""
    try:
        message = json.loads(body)
    except ValueError:
        return None, "not JSON"
    if not isinstance(message, dict):
        return None, "not an object"
    reason = str(message.get("reason") or message.get("error") or "event not delivered")
    detail = message.get("detail")
    source = detail if isinstance(detail, dict) else message
    if not (source.get("transaction") or source.get("transactionId")):
        return None, reason
    return {key: source[key] for key in KEYS if source.get(key) is not None}, reason


def _read(environment: Environment, region: str) -> Iterator[Letter]:
    """Read until the queue gives nothing new: a letter may appear again meanwhile."""
    seen: set[str] = set()
    while True:
        answer = environment.cloud.sqs(region).receive_message(
            QueueUrl=queue(environment, region),
            MaxNumberOfMessages=10,
            VisibilityTimeout=HIDDEN_SECONDS,
            WaitTimeSeconds=1,
        )
        fresh = [message for message in answer.get("Messages", []) if message["MessageId"] not in seen]
        if not fresh:
            return
        for message in fresh:
            seen.add(message["MessageId"])
            yield _letter(region, message)


def _letter(region: str, message: Mapping[str, Any]) -> Letter:
    content, reason = parse(message["Body"])
    transaction = (content or {}).get("transaction")
    payment = (content or {}).get("transactionId") or (transaction.get("id") if isinstance(transaction, dict) else "")
    return Letter(
        region=region,
        message_id=message["MessageId"],
        reason=reason,
        payment=str(payment or ""),
        input=content,
        handle=message["ReceiptHandle"],
    )
