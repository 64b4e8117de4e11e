"""Dead letters: workflows that no Region could finish, and events that no target took.

A workflow's letter names its execution, whose history holds the input. What is found is judged as the function judges
it, and nothing is shown or started again that it would refuse.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import ClientError
from payments import task
from payments.protocol import cards

from payctl.advice import failure
from payctl.environment import Environment
from payctl.outcomes import untold
from stacksets.errors import code_of

HIDDEN_SECONDS: Final = 300  # of a letter that is read; one that is not deleted then appears again
KEYS: Final = ("transaction", "transactionId", "account", "hash")
"""What a workflow is started with; not "tried": a new start is free to try every Region again."""
EXECUTION: Final = "execution"


class State(StrEnum):
    """What became of a letter."""

    SEEN = "seen"
    REDRIVEN = "redriven"
    UNTOLD = "kept: could not be told; repeat it, or remove it with --discard"
    KEPT = "kept: holds no valid payment; repair it with --transaction, or remove it with --discard"
    DISCARDED = "removed: it held no valid payment"


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One dead letter: `input` is what its workflow would be started with, None where it holds no valid payment.
    `execution`: the ARN of the one that failed. `untold`: the records that no outcome event was told of, by their place
    in a stream or by payment."""

    region: str
    message_id: str
    reason: str
    payment: str
    input: dict[str, Any] | None
    handle: str
    execution: str = ""
    untold: dict[str, Any] | None = None
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


def parse(body: str) -> tuple[dict[str, Any], str]:
    """(what it says, reason) of a letter: of a workflow, or an event that no target took. What it says is the input of
    an execution, or names one; {} where it is no JSON object."""
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return {}, "not JSON"
    if not isinstance(message, dict):
        return {}, "not an object"
    given_up = message.get("requestContext")
    condition = given_up.get("condition") if isinstance(given_up, dict) else None
    reason = str(message.get("reason") or message.get("error") or condition or "event not delivered")
    detail = message.get("detail")
    own = {name: message[name] for name in (*KEYS, EXECUTION) if name in message}
    says = detail if isinstance(detail, dict) else own
    return says, "(withheld)" if cards.in_text(reason) else reason


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
            yield _letter(environment, region, message)


def _letter(environment: Environment, region: str, message: Mapping[str, Any]) -> Letter:
    says, reason = parse(message["Body"])
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
