"""Who calls the functions: clients through the API, executions of the workflow, the schedule of the janitors."""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from payments.protocol.settlement import State
from payments.protocol.values import Intent, payment_of

from tests.handlers.fleet import Ended, Fleet
from tests.handlers.judge import HandlersJudge, Watch
from tests.handlers.loop import Loop
from tests.simulation.dice import Dice
from tests.simulation.papers import transaction
from tests.simulation.traffic import ACCOUNT, STRANGER, Letter, fail_over
from tests.simulation.world import REGIONS, World

GATEWAY = 29.0
"""Seconds after which the gateway answers by itself."""
RETRIES = (2, 4, 8)
"""Seconds between the tries of the workflow's task (builder/workflow.py)."""
STATES = {state.value for state in State}
"""What NotSettled says, unless it hides an error that nobody expected."""


class Clients:
    """Starts invocations and reacts to how they end. `calm`: nobody repeats anything any more."""

    def __init__(self, loop: Loop, world: World, fleet: Fleet, judge: HandlersJudge, dice: Dice) -> None:
        self.loop, self.world, self.fleet, self.judge, self.dice = loop, world, fleet, judge, dice
        self.calm = False
        self.letters: list[Letter] = []
        self.busy = 0
        """Executions that go on."""
        self.called: dict[str, list[Ended]] = {}
        self.helping: Counter[str] = Counter()
        """Of the last run of each Region's janitor how it and its helpers ended, and how many helpers are at it."""

    # --- through the API

    def post(self, submitted: Intent, tries: int, region: str = "") -> None:
        """Post in a Region (any), and again after an answer that asks for it or no answer."""
        self.judge.submitted[submitted.hash] = submitted
        region = region or self.dice.pick(REGIONS)
        told = bool(self.judge.told[submitted.id])

        def hear(code: int, body: dict[str, Any]) -> None:
            self.judge.posted(submitted, code, body, told=told)
            if code in (200, 201, 202) and tries > 1 and self.dice.chance(0.3):
                self.get(self.dice.pick(REGIONS), submitted.id)
            again = {201: 0.2, 200: 0.0, 422: 0.0, 202: 0.3}.get(code, 0.8)
            if tries > 1 and not self.calm and self.dice.chance(again):
                self.loop.after(self.dice.draw() * 5, self.post, submitted, tries - 1)

        event = {
            "httpMethod": "POST",
            "path": "/payments",
            "headers": {},
            "requestContext": {"path": "/prod/payments", "identity": {"accountId": payment_of(submitted).account}},
            "body": json.dumps({"transaction": transaction(payment_of(submitted))}),
        }
        self._call(region, event, hear)

    def get(self, region: str, payment: str, account: str = "", hear: Callable[[str], None] | None = None) -> None:
        """Look at a payment, one's own or another's."""
        account = account or self.dice.pick((ACCOUNT, ACCOUNT, STRANGER))
        before, told = frozenset(self.judge.accepted[payment]), bool(self.judge.told[payment])

        def answered(code: int, body: dict[str, Any]) -> None:
            self.judge.got(payment, account, code, body, before, told=told)
            if hear:
                hear(str(body.get("status", code)))

        event = {
            "httpMethod": "GET",
            "pathParameters": {"id": payment},
            "requestContext": {"path": f"/prod/payments/{payment}", "identity": {"accountId": account}},
        }
        self._call(region, event, answered)

    def _call(self, region: str, event: dict[str, Any], hear: Callable[[int, dict[str, Any]], None]) -> None:
        """`hear` the answer of the API: what the function returns within the gateway's time, if anything."""
        began = self.loop.now
        event["requestContext"]["requestTimeEpoch"] = int(self.world.time * 1000)

        def end(ended: Ended) -> None:
            self.judge.said(ended)
            if ended.returned is None or self.loop.now - began > GATEWAY:
                hear(0, {})
            else:
                answer = ended.returned
                hear(answer["statusCode"], json.loads(answer["body"]))

        self.fleet.invoke("processor", region, event, end)

    # --- the workflow, as builder/workflow.py defines it

    def go_on(self) -> None:
        """What functions and workflows have asked for since the last time."""
        started, self.world.started = self.world.started, []
        for region, text in started:
            self.execute(region, json.loads(text))
        events, self.world.events = self.world.events, []
        for _, text in events:
            detail = json.loads(text)
            for _ in range(1 if self.calm else self.dice.pick((1, 1, 1, 0, 2))):
                self.execute(detail["next"], detail)

    def execute(self, region: str, fields: dict[str, Any]) -> None:
        """One execution."""
        self.busy += 1
        self._try(region, fields, deque(RETRIES))

    def _try(self, region: str, fields: dict[str, Any], pauses: deque[int]) -> None:
        """The task; again after a pause; then the next Region, then the dead letters."""

        def end(ended: Ended) -> None:
            self.judge.said(ended)
            if ended.returned is not None:
                self.busy -= 1
                return
            error = type(ended.raised).__name__ if ended.raised else "Killed"
            if error in ("IdTaken", "InvalidTransaction"):
                self.busy -= 1
                self.letters.append(Letter(fields, error))
            elif ended.raised and (error != "NotSettled" or str(ended.raised) not in STATES):
                self.busy -= 1
                self.judge.accuse("crashed", str(fields.get("transactionId", "")), f"the task raised {ended.raised!r}")
            elif pauses:
                self.loop.after(pauses[0], self._try, region, fields, deque(list(pauses)[1:]))
            else:
                self.busy -= 1
                fail_over(self.world, self.letters, region, fields)

        event = {"workflow": {"input": fields, "execution": "execution"}}
        self.fleet.invoke("processor", region, event, end)

    def redrive(self) -> None:
        """`payctl redrive`: what lies in the dead letters, from the beginning, in any Region."""
        letters, self.letters = self.letters, []
        for letter in letters:
            self.execute(self.dice.pick(REGIONS), {**letter.fields, "tried": []})

    # --- the schedule

    def janitor(self, region: str, end: Callable[[], None] | None = None) -> None:
        """One run of a Region's janitor, unless one is under way."""
        if any(one.kind == "janitor" and one.process.region == region for one in self.fleet.running):
            return
        watch = self.judge.janitor_begins(self.world, region)
        runs: list[Ended] = []
        self.called[region] = runs

        def ended(how: Ended) -> None:
            self.judge.said(how)
            runs.insert(0, how)
            self._all_told(watch, runs)
            if end:
                end()

        moment = datetime.fromtimestamp(self.world.time, UTC)
        self.fleet.invoke("janitor", region, {"time": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}, ended)

    def help(self, region: str, event: Mapping[str, Any]) -> None:
        """A janitor has another one called, to take a share of its shards."""
        if "shards" not in event:
            raise AssertionError(f"a janitor calls another for {event}")
        self.helping[region] += 1
        runs = self.called.setdefault(region, [])

        def ended(how: Ended) -> None:
            self.judge.said(how)
            self.helping[region] -= 1
            runs.append(how)

        self.fleet.invoke("janitor", region, event, ended)

    def _all_told(self, watch: Watch, runs: list[Ended]) -> None:
        """The first run has ended: judge what it and its helpers say, once they have ended too."""
        if self.helping[watch.region]:
            self.loop.after(1.0, self._all_told, watch, runs)
        else:
            self.judge.janitor_ends(self.world, watch, runs)
