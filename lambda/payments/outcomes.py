"""The outcome function: tells on the Region's bus how payments ended, from the stream of its replica of the record. It
decides nothing and writes nothing (docs/design.md, "Outcome events").

At least once: what could not be put on the bus is reported to Lambda, which calls again with it. A record that cannot
be read would be called with for hours, and hold up those behind it: it becomes a dead letter instead.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import inf
from typing import Any, Final, NamedTuple

from payments import metrics, runtime
from payments.attributes import plain
from payments.aws import AwsError, parts
from payments.log import log
from payments.protocol.record import OUTCOMES, in_doubt, outcome, read_record
from payments.protocol.values import DECLINED, SETTLED, Intent, Result, payment_of

SOURCE: Final = "payment.outcomes"
AT_ONCE: Final = 10
"""Entries of one request (EventBridge API reference, PutEvents)."""


class Telling(NamedTuple):
    """An event to be told: `number` names the record in its stream; `ended`: how, if it ended in this Region, where it
    is counted."""

    number: str
    kind: str
    detail: str
    ended: tuple[Intent, Result] | None = None


def handler(event: Mapping[str, Any], _context: object = None) -> dict[str, list[Any]]:
    """Tell of a batch of a stream's records; what is to be repeated, as Lambda wants it reported. `again` in the event:
    an operator asks for what is a dead letter already, and hears which of it can never be told."""
    wanted, failed = list[Telling](), list[str]()
    numbers = [str(record["dynamodb"]["SequenceNumber"]) for record in event["Records"]]
    for number, record in zip(numbers, event["Records"], strict=True):
        try:
            wanted += telling(number, record)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one record must not hold up the others
            log("unreadable", error=type(error).__name__)
            if event.get("again") or not bury(record["dynamodb"]):
                failed.append(number)
    untold = tell(wanted)
    reported = failed + untold
    if event.get("again"):  # an operator repeats all as long as one was not told
        come, unreadable = numbers if untold else [], {"unreadable": failed}
    else:  # Lambda goes on with the first of them
        come, unreadable = numbers[min(map(numbers.index, reported), default=len(numbers)) :], {}
    count(each.ended for each in wanted if each.ended and each.number not in come)
    log("told", count=len(wanted) - len(untold))
    return {"batchItemFailures": [{"itemIdentifier": number} for number in reported], **unreadable}


def telling(number: str, record: Mapping[str, Any]) -> Iterable[Telling]:
    """The event of one record of a stream: a payment's end, unless its record was only replaced by an equal one.
    Raises what an unreadable one raises."""
    change = record["dynamodb"]
    if record["eventName"] == "REMOVE" or change.get("OldImage") == change["NewImage"]:
        return
    intent, result = read_record(plain(change["NewImage"]))
    if kind := OUTCOMES.get(result.status):
        own = result.region == runtime.settings().region and "OldImage" not in change
        yield Telling(number, kind, outcome(intent, result), (intent, result) if own else None)


def count(ended: Iterable[tuple[Intent, Result]]) -> None:
    """Count payments by their outcome, and the amounts of those that are settled: here, because whoever brought a
    payment to its end need not have been asked for it by a client."""
    here = runtime.settings()
    for intent, result in ended:
        if result.status in (SETTLED, DECLINED):
            amount = {"Amount": float(payment_of(intent).decimal)} if result.status == SETTLED else {}
            metrics.emit(here.environment, here.region, {"Payments": 1}, amount, Outcome=result.status)


def tell(events: Sequence[Telling], until: float = inf) -> list[str]:
    """Put events on the Region's bus, as many as can be begun `until` that moment of the monotonic clock; the numbers
    of those that were not taken."""
    here, aws = runtime.settings(), runtime.driver().aws
    failed = list[str]()
    for some in parts(events, AT_ONCE):
        if time.monotonic() > until:
            failed += [each.number for each in some]
            continue
        entries = [
            {"EventBusName": here.bus, "Source": SOURCE, "DetailType": each.kind, "Detail": each.detail}
            for each in some
        ]
        try:
            answers = aws.call("events", here.region, "PutEvents", {"Entries": entries})["Entries"]
        except AwsError as error:
            answers = [{"ErrorCode": error.code}] * len(some)
        for each, answer in zip(some, answers, strict=True):
            if code := answer.get("ErrorCode"):
                log("untold", error=str(code))
                failed.append(each.number)
    return failed


def bury(change: Mapping[str, Any]) -> bool:
    """Put a record that cannot be read into the dead letters, by its id only; whether that was done."""
    here = runtime.settings()
    letter = {"reason": "its record cannot be read", "untold": str(change["Keys"]["TransactionId"]["S"])}
    fields = {"QueueUrl": here.dead_letters, "MessageBody": json.dumps(letter)}
    try:
        runtime.driver().aws.call("sqs", here.region, "SendMessage", fields)
    except AwsError as error:
        log("unburied", error=error.code)
        return False
    return True


REMEMBERED: Final = 100_000


@cache
def told_in_doubt() -> set[str]:
    """Payments that this process has told of: the janitor looks at a parked one every few minutes."""
    return set()


def tell_in_doubt(parked: Iterable[Intent], until: float) -> None:
    """Tell of payments that the janitor has parked, or found parked for the first time; those that fail, or for which
    there is no time `until` then, at its next look. Their end, which is told from the record, may come sooner or later
    and overrides it."""
    told = told_in_doubt()
    fresh = {intent.id: intent for intent in parked if intent.id not in told}
    failed = tell([Telling(payment, "payment.in_doubt", in_doubt(intent)) for payment, intent in fresh.items()], until)
    if len(told) > REMEMBERED:
        told.clear()
    told.update(fresh.keys() - set(failed))
