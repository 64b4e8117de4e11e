"""Dead letters: workflows that no Region could finish, and events that no target took.

A workflow's letter names its execution, whose history holds the input. What is found is judged as the function judges
it, and nothing is shown or started again that it would refuse.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError
from payments import task
from payments.protocol import cards

from payctl.advice import failure
from payctl.cloud import answered_at, batches, together
from payctl.environment import Environment
from payctl.outcomes import untold
from stacksets.errors import code_of

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HIDDEN_SECONDS: Final = 300  # of a letter that is read; it appears again when this tool ends without a word
TELL_SECONDS: Final = 5.0  # between two words about how far it is
HELD: Final = 100_000  # that stay: SQS hides 120,000 of a queue at once
NO_QUEUE: Final = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
KEYS: Final = ("transaction", "transactionId", "account", "hash")
"""What a workflow is started with; not "tried": a new start is free to try every Region again."""
EXECUTION: Final = "execution"


class State(StrEnum):
    """What became of a letter."""

    SEEN = "seen"
    REDRIVEN = "redriven"
    UNTOLD = "kept: can no longer be told; remove it with --discard"
    NOT_NOW = "kept: could not be told just now; repeat it"
    KEPT = "kept: holds no valid payment; repair it with --transaction, or remove it with --discard"
    ENCRYPTED = 'kept: encrypted, and never discarded; see docs/operations.md, "Dead letters"'
    DISCARDED = "removed: it held no valid payment"
    REMOVED = "removed: its outcome events can no longer be told"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter: `input` is what its workflow would be started with, None where it holds no valid payment.
    `execution`: the ARN of the one that failed. `untold`: the records that no outcome event was told of, by their place
    in a stream or by payment. `encrypted`: nobody could decrypt the event that it holds."""

    region: str
    message_id: str
    reason: str
    payment: str
    input: dict[str, Any] | None
    handle: str
    execution: str = ""
    untold: dict[str, Any] | None = None
    encrypted: bool = False
    state: State = State.SEEN


def through(environment: Environment, region: str, take: Callable[[Letter], bool], *, only: str = "") -> None:
    """Call `take` for each dead letter of a Region, or for the `only` one with an id: it says whether the letter is to
    be removed, and is called by several threads. The others are hidden from everybody until the end, however long that
    takes. What comes in meanwhile, from a workflow that was started again perhaps, is left to the next time. Raises
    ToolError."""
    api, url = environment.cloud.sqs(region), queue(environment, region)
    held: dict[str, str] = {}
    hidden_at = told_at = time.monotonic()
    count = 0

    def take_up(messages: Mapping[str, "MessageTypeDef"], name: str) -> None:
        if take(_letter(environment, region, messages[name])):
            api.delete_message(QueueUrl=url, ReceiptHandle=held.pop(name))

    try:
        begun = _now(environment, region)
        while messages := _receive(environment, region):
            old = (each for each in messages if int(each["Attributes"]["SentTimestamp"]) <= begun)
            new = {message["MessageId"]: message for message in old if message["MessageId"] not in held}
            held |= {message["MessageId"]: message["ReceiptHandle"] for message in messages}
            together(partial(take_up, new), [name for name in new if only in ("", name)])
            if only in new:
                return
            if len(held) > HELD:
                environment.report.note(
                    f"{region}: no more than {HELD} dead letters are looked at; the rest is as it was"
                )
                return
            count += len(new)
            if time.monotonic() - told_at > TELL_SECONDS:
                environment.report.line(region, "READING", f"{count} dead letters, of which {len(held)} stay")
                told_at = time.monotonic()
            if time.monotonic() - hidden_at > HIDDEN_SECONDS / 3:
                _hide(environment, region, held.values(), HIDDEN_SECONDS)
                hidden_at = time.monotonic()
    finally:
        _hide(environment, region, held.values(), 0)


def look(environment: Environment, regions: Sequence[str], tell: Callable[[Letter], None]) -> None:
    """Tell each dead letter of the Regions, which can be read again at once."""
    lock = threading.Lock()

    def take(letter: Letter) -> bool:
        with lock:
            tell(letter)
        return False

    environment.cloud.everywhere(lambda region: through(environment, region, take), regions)


def count(environment: Environment, region: str) -> int:
    """How many messages a Region's dead-letter queue holds, hidden ones included; 0 where it is lost with its Region.
    Read only."""
    try:
        answer = environment.cloud.sqs(region).get_queue_attributes(
            QueueUrl=queue(environment, region),
            AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
        )
    except ClientError as error:
        if code_of(error) in NO_QUEUE:
            return 0
        raise
    return sum(int(number) for number in answer.get("Attributes", {}).values())


def queue(environment: Environment, region: str) -> str:
    """The URL of a Region's dead-letter queue."""
    return environment.api_outputs[region]["DeadLetterQueueUrl"]


def parse(body: str) -> tuple[dict[str, Any], str, bool]:
    """(what it says, reason, encrypted) of a letter: of a workflow, or an event that no target took. What it says is
    the input of an execution, or names one; {} where it is no JSON object, or encrypted (docs/aws.md, "Letters that
    are encrypted")."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}, "not JSON", False
    match message:
        case {
            "detail-type": "Encrypted Events",
            "detail": {"encrypted-payload": _, "kms-key-arn": str() as key, "event-bus-arn": str() as bus},
        }:
            return {}, _shown(f"encrypted with {key} on {bus}"), True
        case dict():
            pass
        case _:
            return {}, "not an object", False
    given_up = message.get("requestContext")
    condition = given_up.get("condition") if isinstance(given_up, dict) else None
    reason = str(message.get("reason") or message.get("error") or condition or "event not delivered")
    detail = message.get("detail")
    own = {name: message[name] for name in (*KEYS, EXECUTION) if name in message}
    says = detail if isinstance(detail, dict) else own
    return says, _shown(reason), False


def _shown(reason: str) -> str:
    return "(withheld)" if cards.in_text(reason) else reason


def _now(environment: Environment, region: str) -> float:
    """The time in milliseconds, by the clock that stamps the letters, to the second."""
    answer = environment.cloud.sqs(region).get_queue_attributes(QueueUrl=queue(environment, region))
    return answered_at(answer) * 1000 + 999


def _receive(environment: Environment, region: str) -> list["MessageTypeDef"]:
    """Some that are not hidden; [] where there are none."""
    answer = environment.cloud.sqs(region).receive_message(
        QueueUrl=queue(environment, region),
        MaxNumberOfMessages=10,
        VisibilityTimeout=HIDDEN_SECONDS,
        WaitTimeSeconds=1,
        MessageSystemAttributeNames=["SentTimestamp"],
    )
    return answer.get("Messages", [])


def _hide(environment: Environment, region: str, handles: Iterable[str], seconds: int) -> None:
    """Hide letters that were read, from now on; for 0 seconds: show them again. What is gone is left out."""
    api, url = environment.cloud.sqs(region), queue(environment, region)

    def hide(some: Sequence[str]) -> None:
        entries: list[Any] = [
            {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": seconds}
            for number, handle in enumerate(some)
        ]
        api.change_message_visibility_batch(QueueUrl=url, Entries=entries)

    together(hide, batches(handles, 10))


def _letter(environment: Environment, region: str, message: "MessageTypeDef") -> Letter:
    says, reason, encrypted = parse(message["Body"])
    lost = untold.named(message["Body"])
    if lost:
        reason = f"no outcome event: {reason}"
    execution = str(says.pop(EXECUTION, ""))
    brought = says or _input_of(environment, region, execution)
    try:
        payment = task.read_input(brought, environment.cloud.account).payment
    except task.InvalidTransaction:
        payment = ""
    return Letter(
        region=region,
        message_id=message["MessageId"],
        reason=reason,
        payment=payment,
        input={key: brought[key] for key in KEYS if brought.get(key) is not None} if payment else None,
        handle=message["ReceiptHandle"],
        execution=execution,
        untold=lost,
        encrypted=encrypted,
    )


def _input_of(environment: Environment, region: str, execution: str) -> Any:
    """What an execution of the Region's workflow was started with; None where there is none. Raises ToolError."""
    if not execution.startswith(environment.names.state_machine(region).replace(":stateMachine:", ":execution:") + ":"):
        return None
    try:
        return json.loads(environment.cloud.stepfunctions(region).describe_execution(executionArn=execution)["input"])
    except ClientError as error:
        if code_of(error) in ("ExecutionDoesNotExist", "InvalidArn"):
            return None
        raise failure("look at", f"an execution in {region}", error) from error
