"""Three Regions in memory, to run flows against: each conditional write by its meaning, as the table of a cell's life
has it, not by its expression.

The expressions are compared with the table in `tests/simulation/test_lifecycle.py`, and with the emulator's DynamoDB in
`test_expressions.py`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from payments.protocol.lifecycle_table import CELL, Obstacle, state_of
from payments.protocol.ports import (
    LOST,
    Announce,
    Answer,
    Batch,
    Cancel,
    Charge,
    Context,
    FindReceipt,
    Flow,
    Handle,
    Lookup,
    Publish,
    PutEvent,
    Read,
    ReadRecord,
    Request,
    StartWorkflow,
    T,
    Update,
    Verdict,
    WriteReceipt,
)

REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-1")
HOME, SECOND, THIRD = REGIONS

OBSTACLES: dict[Obstacle, Callable[[dict[str, Any], Mapping[str, Any]], bool]] = {
    Obstacle.OTHER_PAYLOAD: lambda cell, values: cell.get("hash", values["hash"]) != values["hash"],
    Obstacle.HIGHER_BALLOT: lambda cell, values: cell.get("promised", 0) > values["ballot"],
    Obstacle.SAME_BALLOT: lambda cell, values: cell.get("promised", 0) == values["ballot"],
    Obstacle.OTHER_ATTEMPT: lambda cell, values: cell.get("attempt", values["token"]) != values["token"],
    Obstacle.OTHER_HANDLE: lambda cell, values: cell.get("handle", values["handle"]) != values["handle"],
    Obstacle.OTHER_RULING: lambda cell, values: cell.get("ruling", values["ruling"]) != values["ruling"],
    Obstacle.OTHER_RESULT: lambda cell, values: cell.get("result", values["result"]) != values["result"],
    Obstacle.MOVED: lambda cell, values: cell["due_at"] != values["seen"],
}
PUBLISHED = {
    "Amount": "amount",
    "Currency": "currency",
    "Timestamp": "timestamp",
    "Status": "status",
    "Region": "region",
    "Content": "result",
    "Details": "details",
}


def moved(cell: dict[str, Any], action: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The cell after an action, as the table of its life has it; None where that refuses it."""
    move = CELL[action]
    if state_of(cell) not in move.leads or any(OBSTACLES[obstacle](cell, values) for obstacle in move.unless):
        return None
    created = (
        {
            "hash": values["hash"],
            "intent": values["intent"],
            "accepted_at": values["now"],
            "due_shard": values["shard"],
            "due_at": values["due"],
        }
        if move.creates
        else {}
    )
    after = created | cell | {attribute: values[name] for attribute, name in move.sets.items()}
    return {attribute: value for attribute, value in after.items() if attribute not in move.removes}


class World:
    """Cells, replicas (`replicate` copies them), receipts, a processor that remembers keys, and what is down."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.cells: dict[str, dict[str, dict[str, Any]]] = {region: {} for region in REGIONS}
        self.replicas: dict[str, dict[str, dict[str, Any]]] = {region: {} for region in REGIONS}
        self.receipts: dict[tuple[str, str], str] = {}
        self.handles: dict[str, str] = {}
        self.charges: list[Charge] = []
        self.verdicts: dict[str, Verdict] = {}
        self.cancelled: set[str] = set()
        self.declines = False
        self.started: list[StartWorkflow] = []
        self.events: list[PutEvent] = []
        self.asked: list[tuple[str, Request]] = []
        self.lose: Callable[[str, Request], Any] = lambda _region, _request: ""
        """Asked before each request: "" done and answered, "before" not done, "after" done, not answered, or any
        answer."""
        self.draws = iter(range(1, 1_000_000))

    def context(
        self, region: str = HOME, rail: str = "ledger", *, deduplicates: bool = False, announces: bool = False
    ) -> Context:
        return Context(
            region=region,
            regions=REGIONS,
            rail=rail,
            deduplicates=deduplicates,
            key_lifetime=86400,
            now=lambda: self.now,
            draw=lambda _: next(self.draws),
            token=lambda: f"token-{next(self.draws)}",
            announces=announces,
        )

    def run(self, ctx: Context, flow: Flow[T]) -> T:
        try:
            batch: Batch = next(flow)
            while True:
                batch = flow.send([self.ask(ctx.region, request) for request in batch])
        except StopIteration as end:
            result: T = end.value
            return result

    def ask(self, region: str, request: Request) -> Any:
        self.asked.append((region, request))
        fate = self.lose(region, request)
        if fate not in ("", "after"):
            return LOST if fate == "before" else fate
        answer = self.do(region, request)
        return LOST if fate == "after" else answer

    def do(self, region: str, request: Request) -> Any:  # noqa: PLR0911 - one return a kind of request
        match request:
            case Update(target, key, action, values):
                cells = self.cells[target]
                return self.update(key, cells, moved(cells.get(key, {}), action.name, values))
            case Read(target, key):
                return dict(self.cells[target].get(key, {}))
            case Publish(key, _, values):
                record = {attribute: values[name] for attribute, name in PUBLISHED.items() if name in values}
                return self.update(key, self.replicas[region], None if key in self.replicas[region] else record)
            case ReadRecord(key):
                shown = self.replicas[region].get(key)
                return {"TransactionId": key, **shown} if shown else {}
            case WriteReceipt(key, body):
                self.receipts.setdefault((region, key), body)
                return True
            case Announce(_, charge):
                return Handle(self.handles.setdefault(charge.key, f"pi_{len(self.handles) + 1}"))
            case FindReceipt(key):
                return (region, key) in self.receipts
            case Charge():
                return self.charge(request)
            case Lookup(_, key):
                return self.verdicts.get(key)
            case Cancel(_, key):
                self.cancelled.add(key)
                return self.verdicts.get(key)
            case StartWorkflow():
                self.started.append(request)
                return True
            case PutEvent():
                self.events.append(request)
                return True

    def update(self, id: str, table: dict[str, dict[str, Any]], after: dict[str, Any] | None) -> Answer:
        if after is None:
            return Answer(False, dict(table.get(id, {})))
        table[id] = after
        return Answer(True, dict(after))

    def charge(self, charge: Charge) -> Verdict:
        self.charges.append(charge)
        return self.verdicts.setdefault(charge.key, Verdict(not self.declines, f"ch_{len(self.charges)}"))

    def replicate(self) -> None:
        for source in REGIONS:
            for key, item in self.replicas[source].items():
                for target in REGIONS:
                    self.replicas[target].setdefault(key, dict(item))
