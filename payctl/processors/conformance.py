"""Whether a processor's sandbox keeps the contract of docs/processor.md, asked through the adapter that the functions
use: a verdict a promise."""

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from payments.processors import adapter
from payments.processors.common import Secret
from payments.protocol.ports import (
    CANCELLED,
    LOST,
    NOT_SENT,
    Announce,
    Cancel,
    Charge,
    Handle,
    Lookup,
    Refusal,
    Silence,
    Verdict,
)

from stacksets.errors import ToolError

ANSWER_SECONDS: Final = 30.0
LATE_SECONDS: Final = 30.0
ARRIVING_SECONDS: Final = 5.0
"""For what was asked to show in a look-up."""
NO_TIME: Final = 0.001
AT_ONCE: Final = 4
AMOUNT: Final = 1234
CURRENCY: Final = "USD"

Word = Verdict | Refusal | Silence
Says = tuple[bool | None, str]
"""Whether it is kept, None where that cannot be seen, and what was seen."""


class Kept(StrEnum):
    """A verdict."""

    YES = "kept"
    NO = "broken"
    NOT_PROMISED = "not kept"
    UNCHECKED = "not checked"


@dataclass(frozen=True)
class Promise:
    """What the settings promise of the processor. `source`: charged; `declined`: one that the sandbox declines, ""
    where there is none. `record`: a file that remembers a key from one run to the next."""

    url: str
    kind: str
    deduplicates: bool
    key_hours: int
    source: str = ""
    declined: str = ""
    record: Path | None = None


@dataclass(frozen=True)
class Finding:
    """A check, its verdict, and what was seen. `relied_on`: whether the settings, or the contract, promise it."""

    check: str
    verdict: Kept
    says: str
    relied_on: bool


class Desk:
    """Asks one processor."""

    def __init__(self, promise: Promise, secret: str) -> None:
        self.promise = promise
        self.module = adapter(promise.kind)
        self.processor = self.module.Processor(promise.url, Secret(lambda: secret))

    def order(self, source: str = "", **fields: Any) -> Charge:
        """Something new to charge."""
        key = uuid.uuid4().hex * 2
        made = Charge(self.promise.url, key, f"CHECK-{key[:12]}", AMOUNT, CURRENCY, source or self.promise.source)
        return made._replace(at=int(time.time()), **fields)

    def pay(self, order: Charge, seconds: float = ANSWER_SECONDS) -> Word:
        """Charge it, as the functions do."""
        if self.module.ANNOUNCES:
            named = self.processor.announce(Announce(order.rail, order), ANSWER_SECONDS)
            if not isinstance(named, Handle):
                return named
            order = order._replace(handle=named.text)
        return self.processor.charge(order, seconds)

    def lookup(self, order: Charge) -> Verdict | Silence | None:
        return self.processor.lookup(Lookup(order.rail, order.key, order), ANSWER_SECONDS)

    def cancel(self, order: Charge) -> Verdict | Silence | None:
        return self.processor.cancel(Cancel(order.rail, order.key, order), ANSWER_SECONDS)

    def at_last(self, order: Charge, arriving: float = 0.0) -> Verdict | Silence | None:
        """What a look-up says once the processor has worked on it, which may take `arriving` seconds to come there."""
        begun = time.monotonic()
        while (word := self.lookup(order)) in (LOST, None):
            if time.monotonic() - begun > (arriving if word is None else LATE_SECONDS):
                break
            time.sleep(0.5)
        return word


def shown(word: Any) -> str:
    """An answer in words."""
    match word:
        case Verdict(cancelled=True):
            return "cancelled"
        case Verdict(settled, reference):
            return f"{'settled' if settled else 'declined'} as {reference or '(no reference)'}"
        case Refusal(cause):
            return f"refused ({cause})"
        case None:
            return "never seen"
        case _:
            return "no final word"


def settled(word: Any) -> bool:
    """Whether it was charged."""
    return isinstance(word, Verdict) and word.settled


def check_charge(desk: Desk) -> Says:
    """A charge ends with a final word that has a reference."""
    word = desk.pay(desk.order())
    return settled(word) and bool(word.reference), shown(word)  # type: ignore[union-attr]  # a Verdict


def check_replay(desk: Desk) -> Says:
    """The same key again is answered alike, and charges nothing."""
    order = desk.order()
    words = [desk.pay(order) for _ in range(3)]
    return settled(words[0]) and len(set(words)) == 1, ", then ".join(dict.fromkeys(map(shown, words)))


def check_other_payload(desk: Desk) -> Says:
    """Another payload under a key is refused."""
    order = desk.order()
    desk.pay(order)
    word = desk.pay(order._replace(amount=AMOUNT + 1))
    return isinstance(word, Refusal), shown(word)


def check_lookup(desk: Desk) -> Says:
    """What was charged is found by its key, when the answer was lost."""
    order = desk.order()
    word, found = desk.pay(order), desk.at_last(order)
    return settled(found) and found == word, shown(found)


def check_unknown(desk: Desk) -> Says:
    """A key that it never saw is told as that."""
    found = desk.lookup(desk.order())
    return found is None, shown(found)


def check_decline(desk: Desk) -> Says:
    """A decline is a final word, and stays it."""
    if not desk.promise.declined:
        return None, "name a source that the sandbox declines: --declined"
    order = desk.order(desk.promise.declined)
    word, found = desk.pay(order), desk.at_last(order)
    good = isinstance(word, Verdict) and not word.settled and not word.cancelled
    return good and found == word, f"{shown(word)}; looked up: {shown(found)}"


def check_cancel(desk: Desk) -> Says:
    """A cancelled key is never charged."""
    order = desk.order()
    cancelled = desk.cancel(order)
    if cancelled is LOST:
        return None, "it does not cancel keys: payments in doubt are closed an hour after the attempt"
    word, found = desk.pay(order), desk.lookup(order)
    return cancelled is None and word == found == CANCELLED, f"then charged: {shown(word)}; looked up: {shown(found)}"


def check_cancelled_too_late(desk: Desk) -> Says:
    """What was charged cannot be cancelled, and says so."""
    order = desk.order()
    word, cancelled = desk.pay(order), desk.cancel(order)
    if cancelled is LOST:
        return None, "it does not cancel keys"
    return settled(word) and cancelled == word, shown(cancelled)


def check_in_flight(desk: Desk) -> Says:
    """The same key several times at once is charged once."""
    order = desk.order()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        words = list(pool.map(desk.pay, [order] * AT_ONCE))
    words += [desk.pay(order)]
    final = {word for word in words if isinstance(word, Verdict)}
    return len(final) == 1 and settled(desk.at_last(order)), ", ".join(sorted(map(shown, final))) or "no final word"


def check_slow(desk: Desk) -> Says:
    """Whose client gave up is found by its key, or was never charged and can be."""
    order = desk.order()
    early = desk.pay(order, NO_TIME)
    found: Any = desk.at_last(order, 0.0 if early is NOT_SENT else ARRIVING_SECONDS)
    if found is None and not isinstance(early, Verdict):
        found = desk.pay(order)
    again = desk.at_last(order)
    return settled(again) and found == again, f"at first {shown(early)}; looked up: {shown(again)}"


def check_key_lifetime(desk: Desk) -> Says:
    """A key is kept for as long as the settings say."""
    promise, told = desk.promise, desk.module.KEY_HOURS
    if told and promise.key_hours > told:
        return False, f"it keeps keys for {told} h, the settings rely on {promise.key_hours} h"
    if promise.record is None:
        return None, "only a later run can see it"
    earlier = remembered(promise.record, promise.url)
    age = time.time() - float(earlier.get("at", 0))
    if not earlier or age > promise.key_hours * 3600:
        return None, remember(desk, promise.record)
    order = desk.order()._replace(**{name: earlier[name] for name in ("key", "id", "source", "at")})
    word = desk.pay(order)
    says = f"a key of {age / 3600:.1f} h ago: {shown(word)}, at first settled as {earlier['reference']}"
    return settled(word) and word.reference == earlier["reference"], says  # type: ignore[union-attr]  # a Verdict


def remembered(record: Path, url: str) -> dict[str, Any]:
    """The charge of an earlier run; {} where none is kept."""
    with suppress(OSError, ValueError):
        kept = json.loads(record.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and kept.get("url") == url:
            return kept
    return {}


def remember(desk: Desk, record: Path) -> str:
    """Charge something that a later run can charge again."""
    order = desk.order()
    word = desk.pay(order)
    if isinstance(word, Verdict) and word.settled:
        record.parent.mkdir(parents=True, exist_ok=True)
        kept = {"url": desk.promise.url, "key": order.key, "id": order.id, "source": order.source, "at": order.at}
        record.write_text(json.dumps(kept | {"reference": word.reference}), encoding="utf-8")
    hours = desk.promise.key_hours
    return f"run it again shortly before {hours} h are over: {record} remembers a key"


CHECKS: Final[dict[str, tuple[Callable[[Desk], Says], bool]]] = {
    "charge": (check_charge, True),
    "same key replays": (check_replay, False),
    "other payload refused": (check_other_payload, False),
    "look-up after a lost answer": (check_lookup, True),
    "unknown key": (check_unknown, True),
    "decline": (check_decline, True),
    "cancel": (check_cancel, True),
    "cancelled too late": (check_cancelled_too_late, True),
    "in flight": (check_in_flight, False),
    "slow": (check_slow, True),
    "key lifetime": (check_key_lifetime, False),
}
"""By name: the check, and whether it is relied on also where keys are not."""


def findings(promise: Promise, secret: str) -> Iterator[Finding]:
    """Each check, one after the other. Raises ToolError where there is nobody to ask."""
    desk = Desk(promise, secret)
    first = desk.pay(desk.order())
    if first is NOT_SENT:
        raise ToolError(f"{promise.url} takes no charge now: nothing was charged", remedy="is the sandbox there?")
    if first == Refusal("401"):
        raise ToolError(f"{promise.url} refuses the secret: nothing was charged", remedy="set PROCESSOR_SECRET")
    for name, (check, always) in CHECKS.items():
        kept, says = check(desk)
        relied_on = always or promise.deduplicates
        verdict = Kept.UNCHECKED if kept is None else Kept.YES if kept else Kept.NO if relied_on else Kept.NOT_PROMISED
        yield Finding(name, verdict, says, relied_on)


def report(promise: Promise, found: list[Finding]) -> dict[str, Any]:
    """The findings as they are shown."""
    counts = Counter(finding.verdict for finding in found)
    return {
        "url": promise.url,
        "kind": promise.kind,
        "deduplicates": promise.deduplicates,
        "key_lifetime_hours": promise.key_hours,
        "findings": found,
        "counts": {verdict: counts[verdict] for verdict in Kept},
    }
