"""Puts dead letters back: starts the workflow again with what they hold. The register makes that harmless."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from payctl.environment import Environment
from stacksets.errors import ToolError

# How long a message stays hidden while it is put back; one that is not comes up again by itself.
HIDDEN = 300
KEYS = ("transaction", "transactionId", "account", "hash", "tried")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter: `input` is what its workflow would be started with, None where it holds no payment."""

    region: str
    message_id: str
    reason: str
    payment: str
    input: dict[str, Any] | None
    handle: str
    state: str = "seen"


def letters(environment: Environment, regions: tuple[str, ...]) -> Iterator[Letter]:
    """The dead letters of the Regions; each is hidden from others for some minutes by being read."""
    for region in regions:
        sqs, url = environment.cloud.sqs(region), environment.api_outputs[region]["DeadLetterQueueUrl"]
        seen: set[str] = set()
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN, WaitTimeSeconds=1
        ).get("Messages", []):
            fresh = [message for message in messages if message["MessageId"] not in seen]
            if not fresh:
                break
            for message in fresh:
                seen.add(message["MessageId"])
                yield _letter(region, message)


def redrive(
    environment: Environment, regions: tuple[str, ...], *, only: str = "", repaired: Mapping[str, Any] | None = None
) -> list[Letter]:
    """Start the workflow of each letter's Region again and delete the letter once that is done.

    `only` is the id of one message; `repaired` is a transaction to use instead of the one it holds.
    """
    done = []
    for letter in list(letters(environment, regions)):  # all first: one shown again would be read again
        if only and letter.message_id != only:
            _show_again(environment, letter)
            continue
        content = {"transaction": dict(repaired)} if repaired else letter.input
        if content is None:
            _show_again(environment, letter)
            done.append(_ended(letter, "kept: holds no payment; repair it with --transaction"))
            continue
        _start(environment, letter.region, content)
        sqs = environment.cloud.sqs(letter.region)
        sqs.delete_message(
            QueueUrl=environment.api_outputs[letter.region]["DeadLetterQueueUrl"], ReceiptHandle=letter.handle
        )
        done.append(_ended(letter, "redriven"))
    if only and not done:
        raise ToolError(f"no dead letter has the id {only}", remedy="see `payctl redrive --list`")
    return done


def repaired(file: Path) -> dict[str, Any]:
    """The transaction in a file: `{"transaction": {...}}`, or what is inside. Raises ToolError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(f"{file}: cannot be read as JSON: {error}") from None
    inner = content.get("transaction", content) if isinstance(content, dict) else None
    if not isinstance(inner, dict):
        raise ToolError(f"{file}: holds no transaction")
    return inner


def look(environment: Environment, regions: tuple[str, ...]) -> list[Letter]:
    """The dead letters as they are; they can be read again at once."""
    found = list(letters(environment, regions))
    for letter in found:
        _show_again(environment, letter)
    return found


def content_of(body: str) -> tuple[dict[str, Any] | None, str]:
    """(workflow input, reason) of a dead letter: of the workflow itself, or an event that no target took."""
    try:
        message = json.loads(body)
    except ValueError:
        return None, "not JSON"
    if not isinstance(message, dict):
        return None, "not an object"
    reason = str(message.get("reason") or message.get("error") or "event not delivered")
    inner = message.get("detail")
    source = inner if isinstance(inner, dict) else message
    if not (source.get("transaction") or source.get("transactionId")):
        return None, reason
    # A new start is free to try every Region again.
    return {key: source[key] for key in KEYS if source.get(key) is not None and key != "tried"}, reason


def _letter(region: str, message: Mapping[str, Any]) -> Letter:
    content, reason = content_of(message["Body"])
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


def _ended(letter: Letter, state: str) -> Letter:
    values = {**letter.__dict__, "state": state}
    return Letter(**values)


def _start(environment: Environment, region: str, content: Mapping[str, Any]) -> None:
    """A name of its own: the first execution's may not be used again for 90 days (FACTS F28)."""
    environment.cloud.stepfunctions(region).start_execution(
        stateMachineArn=environment.names.state_machine(region),
        name=f"redrive-{uuid.uuid4().hex}",
        input=json.dumps(content),
    )


def _show_again(environment: Environment, letter: Letter) -> None:
    environment.cloud.sqs(letter.region).change_message_visibility(
        QueueUrl=environment.api_outputs[letter.region]["DeadLetterQueueUrl"],
        ReceiptHandle=letter.handle,
        VisibilityTimeout=0,
    )
