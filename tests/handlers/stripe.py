"""Stripe in the place of the processor, as its documentation has it: PaymentIntents that are paid once at most, keys
that answer as they did first, for a day, and a list of what was created."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from payments.protocol.ports import CANCELLED, LOST, Silence, Verdict

from tests.handlers.calls import Reply, encode
from tests.handlers.wire import Kept, Message
from tests.simulation.dice import Dice
from tests.simulation.options import Options
from tests.simulation.rail import AT_WORK, DECLINES, LIFETIME, Rail, Taken, Watch

INTENTS = "/v1/payment_intents"
PATH = re.compile(rf"{INTENTS}(?:/(?P<id>pi_\d+)(?:/(?P<what>confirm|cancel))?)?(?:\?(?P<query>.*))?")
PAGE = 2
"""PaymentIntents on a page of a list."""
DONE_AND_FAILED = 0.1
"""Share of what is done and answered 500, now and under this key for ever."""
FAILED = 0.05
"""Share of creations that are answered so and make nothing."""


@dataclass
class PaymentIntent:
    """One of them. `ready`: from when on its status is told as it is."""

    id: str
    fields: Mapping[str, str]
    created: float
    status: str = "requires_confirmation"
    declined: bool = False
    ready: float = 0.0

    @property
    def key(self) -> str:
        return self.fields["metadata[payment_key]"]

    @property
    def payment(self) -> str:
        return self.fields["metadata[payment_id]"]

    def at(self, time: float) -> dict[str, Any]:
        """As the API shows it."""
        error = {"last_payment_error": {"code": "card_declined"}} if self.declined else {}
        status = self.status if time >= self.ready else "processing"
        notes = {name[9:-1]: text for name, text in self.fields.items() if name.startswith("metadata[")}
        return {"id": self.id, "object": "payment_intent", "status": status, "metadata": notes, **error}


class Stripe(Rail):
    """One account."""

    kind = "stripe"

    def __init__(self, dice: Dice, watch: Watch, options: Options) -> None:
        super().__init__(dice, watch, options)
        self.intents: dict[str, PaymentIntent] = {}
        self.failed: set[str] = set()
        """Keys of ours under which nothing was created, nor ever will be."""
        self.kept: dict[str, tuple[float, bytes, Reply]] = {}

    def lookup(self, key: str, time: float) -> Verdict | Silence | None:
        """What was done under a key of ours."""
        words = [word_of(intent, time) for intent in self.intents.values() if intent.key == key]
        settled = [word for word in words if isinstance(word, Verdict) and word.settled]
        return next((word for word in (*settled, *words) if word is not None), None)

    def refused(self, key: str) -> bool:
        return self.refuses or key in self.failed

    def answer(self, message: Message, time: float) -> Reply:
        """What it says to a request that holds the secret."""
        asked = PATH.fullmatch(message.path)
        if asked is None or message.headers["stripe-version"] != "2024-06-20":
            raise AssertionError(f"{message.method} {message.path} {message.headers}")
        fields = {name: values[0] for name, values in parse_qs(asked["query"] or message.body.decode()).items()}
        match message.method, asked["id"], asked["what"]:
            case "POST", None, None:
                return self._once(message, time, lambda: self._create(fields, time))
            case "POST", name, "confirm":
                return self._once(message, time, lambda: self._confirm(self.intents[name], time))
            case "POST", name, "cancel":
                return self._cancel(self.intents[name], time)
            case "GET", None, None:
                return self._list(fields, time)
            case "GET", name, None:
                return 200, encode(self.intents[name].at(time))
        raise AssertionError(f"{message.method} {message.path}")

    def _once(self, message: Message, time: float, do: Callable[[], tuple[Reply, bool]]) -> Reply:
        """Under a key the first answer is kept, if anything was begun."""
        if self.unsent and self.dice.chance(self.unsent):
            return 429, b"{}"
        if self.refuses:
            return 403, b"{}"
        key = message.headers["idempotency-key"]
        since, body, reply = self.kept.get(key, (0.0, b"", (0, b"")))
        if time - since <= LIFETIME:
            return reply if body == message.body else error(400, "idempotency_error")
        reply, keep = do()
        if keep:
            self.kept[key] = time, message.body, (reply[0], Kept(reply[1]))
        return reply

    def _create(self, fields: dict[str, str], time: float) -> tuple[Reply, bool]:
        if fields["payment_method_types[]"] != "card" or not {"amount", "currency", "payment_method"} <= fields.keys():
            raise AssertionError(fields)
        if self.dice.chance(FAILED):
            self.failed.add(fields["metadata[payment_key]"])
            return error(500, "api_error"), True
        intent = PaymentIntent(f"pi_{len(self.intents)}", fields, time)
        self.intents[intent.id] = intent
        return error(500, "api_error") if self.dice.chance(DONE_AND_FAILED) else (200, encode(intent.at(time))), True

    def _confirm(self, intent: PaymentIntent, time: float) -> tuple[Reply, bool]:
        if time < intent.ready:
            return error(409, "invalid_request_error"), False
        if intent.status != "requires_confirmation":
            return error(400, "invalid_request_error", payment_intent=intent.at(time)), True
        fields = intent.fields
        if self.dice.chance(DECLINES):
            intent.status, intent.declined = "requires_payment_method", True
        else:
            intent.status = "succeeded"
            amount, currency = int(fields["amount"]), fields["currency"].upper()
            self.watch(Taken(intent.payment, intent.key, amount, currency, time, fields["payment_method"]))
        if self.busy and self.dice.chance(self.busy):
            intent.ready = time + AT_WORK
            return error(409, "invalid_request_error"), False
        if self.dice.chance(DONE_AND_FAILED):
            return error(500, "api_error"), True
        if intent.declined:
            return error(402, "card_error", payment_intent=intent.at(time)), True
        return (200, encode(intent.at(time))), True

    @staticmethod
    def _cancel(intent: PaymentIntent, time: float) -> Reply:
        if time < intent.ready or intent.status in ("succeeded", "canceled"):
            return error(400, "invalid_request_error", payment_intent=intent.at(time))
        intent.status = "canceled"
        return 200, encode(intent.at(time))

    def _list(self, fields: dict[str, str], time: float) -> Reply:
        """The newest first."""
        since, until = int(fields["created[gte]"]), int(fields["created[lte]"])
        found = [intent for intent in reversed(self.intents.values()) if since <= int(intent.created) <= until]
        names = [intent.id for intent in found]
        begin = names.index(fields["starting_after"]) + 1 if "starting_after" in fields else 0
        page = [intent.at(time) for intent in found[begin : begin + PAGE]]
        return 200, encode({"object": "list", "data": page, "has_more": len(found) > begin + PAGE})


def word_of(intent: PaymentIntent, time: float) -> Verdict | Silence | None:
    """What became of it."""
    if time < intent.ready:
        return LOST
    if intent.status == "succeeded" or intent.declined:
        return Verdict(intent.status == "succeeded", intent.id)
    return CANCELLED if intent.status == "canceled" else None


def error(status: int, kind: str, **more: Any) -> Reply:
    """An answer that is an error."""
    return status, encode({"error": {"type": kind, **more}})
