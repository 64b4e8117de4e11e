"""Puts dead letters back: starts the workflow again with what their executions were started with. The register makes
that harmless."""

import json
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from payments import task

from payctl.environment import Environment
from payctl.outcomes import untold
from payctl.outcomes.untold import Told
from payctl.payments.dead_letters import Letter, State, through
from stacksets.errors import ToolError


def redrive(
    environment: Environment,
    regions: Sequence[str],
    tell: Callable[[Letter], None],
    *,
    only: str = "",
    repaired: Mapping[str, Any] | None = None,
    discard: bool = False,
) -> None:
    """Start the workflow of each letter's Region again, or have its outcome events told, and delete the letter once
    that is done, as soon as it is read; `tell` is called with what became of each. Raises ToolError.

    `only` is the id of one message; `repaired` is a transaction to use instead of the one it holds. With `discard`,
    letters that hold no valid payment are removed, and so are those of outcome events once they are told, or never can
    be; the others are left alone, and so are encrypted ones.
    """
    if repaired is not None:
        require_valid(repaired, environment.cloud.account)
    lock, told = threading.Lock(), False

    def take(letter: Letter) -> bool:
        nonlocal told
        state = taken(environment, letter, repaired, discard=discard)
        with lock:
            told = True
            tell(replace(letter, state=state))
        return state in (State.DISCARDED, State.REMOVED, State.REDRIVEN)

    environment.cloud.everywhere(lambda region: through(environment, region, take, only=only), regions)
    if only and not told:
        raise ToolError(f"no dead letter has the id {only}", remedy="see `payctl redrive --list`")


def taken(environment: Environment, letter: Letter, repaired: Mapping[str, Any] | None, *, discard: bool) -> State:
    """Do what is to be done about a letter; what became of it."""
    if letter.untold:
        told = untold.tell(environment, letter.region, letter.untold)
        never = State.REMOVED if discard else State.UNTOLD
        return {Told.ALL: State.REDRIVEN, Told.NOT_NOW: State.NOT_NOW, Told.NEVER: never}[told]
    content = content_of(letter, repaired)
    if content is None and letter.encrypted:
        return State.ENCRYPTED
    if content is None:
        return State.DISCARDED if discard else State.KEPT
    if discard:
        return State.SEEN
    _start(environment, letter.region, content)
    return State.REDRIVEN


def content_of(letter: Letter, repaired: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What a workflow is started with again: by hand, for the own account and no merchant, where it is repaired."""
    if repaired is None:
        return letter.input
    return {"transaction": dict(repaired)}


def transaction_in(file: Path) -> dict[str, Any]:
    """The transaction in a file: `{"transaction": {...}}`, or what is inside. Raises ToolError."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ToolError(f"{file}: cannot be read as JSON: {error}") from None
    transaction = content.get("transaction", content) if isinstance(content, dict) else None
    if not isinstance(transaction, dict):
        raise ToolError(f"{file}: holds no transaction")
    return transaction


def require_valid(transaction: Mapping[str, Any], account: str) -> None:
    """Raises ToolError for a transaction that the function would refuse: what holds a card number goes no further."""
    try:
        task.read_input({"transaction": dict(transaction)}, account)
    except task.InvalidTransaction as error:
        raise ToolError(f"the repaired transaction is not valid: {error}") from None


def _start(environment: Environment, region: str, content: Mapping[str, Any]) -> None:
    """A name of its own: the first execution's may not be used again for 90 days (docs/aws.md, "Names of
    executions")."""
    environment.cloud.stepfunctions(region).start_execution(
        stateMachineArn=environment.names.state_machine(region),
        name=f"redrive-{uuid.uuid4().hex}",
        input=json.dumps(content),
    )
