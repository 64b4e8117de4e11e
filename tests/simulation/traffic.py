"""Who uses the system in a run: clients that repeat themselves, workflows that hop from Region to Region, janitors,
operators.

They run production code; only the state machine around the workflow's task is written again here (builder/workflow.py
defines it).
"""

import json
from functools import lru_cache
from typing import Any, NamedTuple

from payments import task
from payments.protocol import flows, sweep
from payments.protocol.record import transaction
from payments.protocol.settlement import Outcome
from payments.protocol.values import Intent, Payment, intent_of, payment_of

from tests.simulation.dice import Dice
from tests.simulation.judge import NO_REGION_LEFT, Judge
from tests.simulation.network import Network
from tests.simulation.world import EPOCH, REGIONS, World

ACCOUNT, STRANGER = "111122223333", "444455556666"
CURRENCIES = ("USD", "JPY", "BHD")
"""With two decimals, none and three."""
TRIES = 3


@lru_cache(maxsize=1000)
def intent(number: int, variant: int) -> Intent:
    """The payload that clients submit as payment `number`; another variant is another payload under the same id, the
    second one of another account."""
    account = STRANGER if variant == 2 else ACCOUNT
    moment = EPOCH * 10**6 + number * 250_001
    details = ("", "", ()) if number % 2 else (f"tok_of_{number}", f"order {number}", (("variant", str(variant)),))
    return intent_of(Payment(f"p{number}", 999 + variant, CURRENCIES[number % 3], moment, account, *details))


@lru_cache(maxsize=1000)
def read(text: str) -> dict[str, Any]:
    """The input of an execution, or an event's detail; nobody changes it."""
    fields: dict[str, Any] = json.loads(text)
    return fields


def posted(submitted: Intent) -> dict[str, Any]:
    """The transaction as a caller posts it."""
    payment = payment_of(submitted)
    notes = {"source": payment.source, "reference": payment.reference, "metadata": dict(payment.metadata)}
    return transaction(submitted) | {name: value for name, value in notes.items() if value}


def by_hand(submitted: Intent) -> dict[str, Any]:
    """The input of an execution that brings the transaction along."""
    return {"transaction": posted(submitted), "transactionId": submitted.id, "hash": submitted.hash}


class Letter(NamedTuple):
    """A dead letter: the input of an execution that failed, and why."""

    fields: dict[str, Any]
    reason: str


def fail_over(world: World, letters: list[Letter], region: str, fields: dict[str, Any]) -> None:
    """What the state machine does after the last try: an event for the next Region, or a dead letter."""
    tried = [*fields.get("tried", ()), region]
    turn = REGIONS.index(region)
    left = [peer for peer in REGIONS[turn + 1 :] + REGIONS[:turn] if peer not in tried]
    if left:
        world.events.append((region, json.dumps({**fields, "tried": tried, "next": left[0]})))
    else:
        letters.append(Letter(fields, NO_REGION_LEFT))


class Traffic:
    """Starts workers on a network and reacts to how they end."""

    def __init__(self, world: World, network: Network, judge: Judge, dice: Dice):
        self.world, self.network, self.judge, self.dice = world, network, judge, dice
        self.calm = False
        self.names = 0
        self.letters: list[Letter] = []

    def name(self, what: str, region: str) -> str:
        self.names += 1
        return f"{what}{self.names}@{region}"

    # --- clients

    def client(self, submitted: Intent, tries: int, region: str = "") -> str:
        """Post in a Region (any), and again after an answer that asks for it or no answer. The first worker's name."""
        self.judge.submitted[submitted.hash] = submitted
        region = region or self.dice.pick(REGIONS)
        name, ended = self.name("post", region), bool(self.judge.told[submitted.id])

        def hear(reply: flows.Reply | None) -> None:
            code = reply.code if reply else 0
            if reply:
                self.judge.answered(submitted.id, submitted.hash, code, reply.result, ended=ended)
            if code == 202 and tries > 1 and self.dice.chance(0.3):
                self.get(self.dice.pick(REGIONS), submitted.id)
            again = {201: 0.2, 200: 0.0, 422: 0.0, 202: 0.5}.get(code, 0.8)
            if tries > 1 and not self.calm and self.dice.chance(again):
                self.client(submitted, tries - 1)

        self.network.spawn(name, region, flows.submit(self.world.context(region), submitted), hear)
        return name

    def get(self, region: str, payment: str) -> None:
        """Look at a payment, one's own or another's; what is shown as its end is a promise like any other."""
        account = self.dice.pick((ACCOUNT, ACCOUNT, STRANGER))
        before, ended = frozenset(self.judge.accepted[payment]), bool(self.judge.told[payment])

        def hear(reply: flows.Reply | None) -> None:
            if reply:
                self.judge.looked(payment, account, reply, before, ended=ended)

        flow = flows.get(self.world.context(region), payment, account)
        self.network.spawn(self.name("get", region), region, flow, hear)

    # --- janitors

    def janitor(self, region: str, payment: str) -> str:
        """Sweep one payment. The worker's name."""
        name = self.name("janitor", region)
        self.network.spawn(name, region, sweep.sweep(self.world.context(region), payment))
        return name

    # --- workflows

    def go_on(self) -> None:
        """What functions and workflows have asked for since the last time."""
        if self.world.started:
            self.start_workflows()
        if self.world.events:
            self.route_events()

    def start_workflows(self) -> None:
        """What the functions asked the workflow service for since the last time."""
        started, self.world.started = self.world.started, []
        for region, text in started:
            self.workflow(region, read(text))

    def workflow(self, region: str, fields: dict[str, Any], tries: int = TRIES) -> None:
        """One execution: the task up to three times, then the next Region, then the dead letters."""
        wanted = task.read_input(fields, ACCOUNT)

        def hear(outcome: Outcome | None) -> None:
            try:
                if outcome:
                    task.conclude(wanted, outcome)
                    return
            except (task.IdTaken, task.InvalidTransaction) as error:
                self.letters.append(Letter(fields, type(error).__name__))
                return
            except task.NotSettled:
                pass  # as a task that was killed
            if tries > 1:
                self.workflow(region, fields, tries - 1)
            else:
                fail_over(self.world, self.letters, region, fields)

        flow = flows.pursue(self.world.context(region), wanted.payment, wanted.intent)
        self.network.spawn(self.name("workflow", region), region, flow, hear)

    def route_events(self) -> None:
        """Rules carry events to the next Region; an event may be lost, and may arrive twice."""
        events, self.world.events = self.world.events, []
        for _, text in events:
            detail = read(text)
            copies = 1 if self.calm else self.dice.pick((1, 1, 1, 0, 2))
            for _ in range(copies):
                self.workflow(detail["next"], detail)

    def redrive(self) -> None:
        """`payctl redrive`: what lies in the dead letters, from the beginning, in any Region."""
        letters, self.letters = self.letters, []
        for letter in letters:
            self.workflow(self.dice.pick(REGIONS), {**letter.fields, "tried": []})
