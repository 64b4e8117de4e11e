"""The judge of the flows' campaign, which here hears what clients hear: HTTP answers, and the janitors' metrics."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from payments.aws import AwsError
from payments.log import tag_of
from payments.members import BARRED_SECONDS
from payments.protocol.flows import Reply
from payments.protocol.ports import LEDGER
from payments.protocol.settlement import PARKED, State
from payments.protocol.values import SETTLED, Intent, Result, conclude, read_result, read_value

from tests.handlers.calls import Call
from tests.handlers.fleet import Ended
from tests.handlers.network import Network
from tests.handlers.services import APART, Services
from tests.handlers.wire import Message
from tests.simulation.judge import ENDS, Judge
from tests.simulation.papers import shows
from tests.simulation.world import REGIONS, Item, World

LAG = 2
"""Seconds after which the index of overdue cells shows a change for certain."""
SLACK = 5
"""Seconds for what was being sent when the minute of a bar was over."""
ANSWERS = (0, 200, 201, 202, 409, 422, 503)
"""What a POST of a valid payment may be answered; 0 is no answer."""

LOG_KEY = "5e" * 32
"""For the names of payments in logs."""


class Watch(NamedTuple):
    """What a janitor could see when its run began."""

    region: str
    began: float
    overdue: Mapping[str, int]
    silent: int
    calm: bool
    skew: int
    changes: int


class HandlersJudge(Judge):
    """Judges answers by their bytes. `changes` counts what happened to Regions."""

    def __init__(self) -> None:
        super().__init__()
        self.network: Network
        self.services: Services
        self.changes = 0

    def cell_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        if not payment.startswith(":"):
            super().cell_changed(region, payment, old, new)

    # --- what clients hear

    def posted(self, submitted: Intent, code: int, body: Mapping[str, Any], *, told: bool) -> None:
        """The answer to a POST; `told` as in `answered`."""
        payment = submitted.id
        if code not in ANSWERS:
            self.accuse("wrong_answer", payment, f"{code} {body}")
        if code not in (200, 201, 202):
            self.answered(payment, submitted.hash, code, ended=told)
            return
        if not shows(body, submitted):
            self.accuse("wrong_payload", payment, f"posted {submitted.text}, answered {body}")
        ended = body["status"] in ENDS
        if ended is (code == 202):
            self.accuse("wrong_answer", payment, f"{code} {body}")
        self.answered(payment, submitted.hash, code, self.result(submitted, body) if ended else None, ended=told)

    def got(
        self, payment: str, account: str, code: int, body: Mapping[str, Any], before: Collection[str], *, told: bool
    ) -> None:
        """The answer to a GET by an account; `before` and `told` as in `looked`."""
        if code not in (0, 200, 404, 503):
            self.accuse("wrong_answer", payment, f"GET: {code} {body}")
        intent = None
        if code == 200:
            intents = [one for one in self.submitted.values() if one.id == payment and shows(body, one)]
            if not intents:
                self.accuse("wrong_payload", payment, f"shown {body}, which nobody posted")
                return
            intent = intents[0]
        result = self.result(intent, body) if intent and body["status"] in ENDS else None
        self.looked(payment, account, Reply(code, intent, result, str(body.get("status"))), before, ended=told)

    def result(self, intent: Intent, body: Mapping[str, Any]) -> Result:
        """The result that an answer tells: one that is there, or else one that is not."""
        payment = intent.id
        known = [read_result(text) for text in self.final[payment] | self.public[payment]]
        values = [read_value(text) for text in self.decided[payment]]
        known += [conclude(self.submitted[value.hash], value, SETTLED) for value in values if value.rail == LEDGER]
        told = (body["status"], body["region"], body["decidedAt"], body.get("reference", ""))
        for one in known:
            if (one.status, one.region, one.at, one.reference) == told and one.hash == intent.hash:
                return one
        return Result(json.dumps(body), str(body["status"]))

    # --- what functions ask

    def asks(self, message: Message, call: Call) -> None:
        """A function asks a register for a payment. One that knows of no other register may ask the barred one: nothing
        comes of one answer."""
        region, since = self.services.barred
        sender, now = message.sender, self.services.world.time
        if not region or call.service != "cell" or not call.key or sender.region not in REGIONS or sender.held:
            return
        for_seconds = now - since
        if for_seconds <= BARRED_SECONDS + SLACK:
            return
        asked = {at: moment for at, moment in sender.asked.get(call.what, {}).items() if moment > now - SLACK / 2}
        asked[call.region] = now
        sender.asked[call.what] = asked
        if region in asked and len(asked) > 1:
            self.accuse(
                "asked", call.key, f"{sender.name} asks {region} for {call.what}, barred for {for_seconds:.0f} s"
            )

    # --- what functions print

    def said(self, ended: Ended) -> None:
        """A function prints "failed" where it raised what it does not expect."""
        for line in ended.said:
            if '"what": "failed"' in line:
                self.accuse("crashed", "", line)

    def janitor_begins(self, world: World, region: str) -> Watch:
        now = int(world.time + world.skew[region])
        cells = world.cells[region].items()
        overdue = {payment: int(cell["due_at"]) for payment, cell in cells if int(cell.get("due_at", now + 1)) <= now}
        known = {
            payment: due
            for payment, due in overdue.items()
            if self.services.previous.get((region, payment), (0.0,))[0] < world.time - LAG
        }
        peers = [peer for peer in REGIONS if peer != region]
        silent = [
            peer
            for peer in peers
            if not self.network.reachable(region, peer)
            or ("cell", peer) in self.network.down
            or not self.services.tables[peer]
        ]
        calm = not (self.network.loss or self.network.down or self.network.dark or self.network.cuts)
        calm = calm and abs(world.skew[region]) < APART and bool(self.services.tables[region])
        return Watch(region, world.time, known, len(silent), calm, world.skew[region], self.changes)

    def janitor_ends(self, world: World, watch: Watch, runs: Sequence[Ended]) -> None:
        """What the metrics of a run and its helpers say must be what is so."""
        ended = runs[0]
        if ended.raised is not None and (
            (watch.calm and self.changes == watch.changes) or not isinstance(ended.raised, AwsError)
        ):
            self.accuse("crashed", "", f"the janitor of {watch.region} raised {ended.raised!r}")
        if any(run.returned is None for run in runs):  # one was killed
            return
        lines = [json.loads(line) for line in ended.said if '"Heartbeat"' in line]
        if len(lines) != 1 or lines[0]["Region"] != watch.region:
            self.accuse("unseen", "", f"the metrics of {watch.region} are {lines}")
            return
        said = lines[0]
        if self.changes == watch.changes and said["PeerUnanswered"] < watch.silent:
            self.accuse("unseen", "", f"{watch.silent} peers of {watch.region} do not answer, and it says {said}")
        if world.skew[watch.region] != watch.skew:
            return
        now = watch.began + watch.skew
        cells = world.cells[watch.region]
        shares = [json.loads(line) for run in runs for line in run.said if '"OldestOverdueSeconds"' in line]
        oldest = max(max(share["OldestOverdueSeconds"], share["BacklogAgeSeconds"]) for share in shares)
        parked = parked_by(runs)
        if sum(share["Parked"] for share in shares) != len(parked):
            self.accuse("unseen", "", f"the janitor of {watch.region} parks {parked}, its metrics say {shares}")
        left = [payment for payment in watch.overdue if "due_at" in cells.get(payment, {})]
        worse = [payment for payment in left if now - watch.overdue[payment] > oldest + 1]
        worse = [payment for payment in worse if tag_of(payment, LOG_KEY) not in parked]
        if worse:
            late = [now - watch.overdue[payment] for payment in worse]
            says = f"{oldest} s, {len(parked)} others parked"
            facts = f"{worse} are overdue in {watch.region} by {late} s and not at rest, its janitor says {says}"
            self.accuse("unseen", worse[0], facts)


def parked_by(runs: Sequence[Ended]) -> list[str]:
    """What a janitor and its helpers say is parked, by the names that logs have for payments."""
    lines = [json.loads(line) for run in runs for line in run.said if '"what": "swept"' in line]
    return [line["payment"] for line in lines if State(line["state"]) in PARKED]
