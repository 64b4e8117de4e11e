"""Three Regions in memory, to run flows against: each conditional write by its meaning, not by its expression.

The expressions themselves are proved against the emulator's DynamoDB in `test_expressions.py`.
"""

from collections.abc import Callable
from typing import Any

from payments.protocol.ports import (
    LOST,
    Answer,
    Batch,
    Cancel,
    Charge,
    Context,
    Flow,
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

Conditions = dict[str, Callable[[dict[str, Any], dict[str, Any]], bool]]
HOLDS: Conditions = {
    "OPEN": lambda c, v: (
        "result" not in c and c.get("hash", v["hash"]) == v["hash"] and c.get("promised", -1) < v["ballot"]
    ),
    "PREPARE": lambda c, v: "result" not in c and c.get("promised", -1) < v["ballot"],
    "VOTE": lambda c, v: "result" not in c and c.get("promised", -1) <= v["ballot"],
    "ATTEMPT": lambda c, v: "result" not in c and c.get("attempt", v["token"]) == v["token"],
    "RELEASE": lambda c, v: c.get("attempt") == v["token"] and "result" not in c,
    "RESULT": lambda c, _: "result" not in c,
    "FINISH": lambda c, v: c.get("result", v["result"]) == v["result"],
    "REST": lambda c, _: "result" in c,
    "LATER": lambda c, v: c.get("due_at") == v["seen"],
    "PUBLISH": lambda c, _: not c,
}


def write(cell: dict[str, Any], action: str, values: dict[str, Any]) -> None:
    if "intent" in values:
        created = {
            "hash": values["hash"],
            "intent": values["intent"],
            "accepted_at": values["now"],
            "due_shard": values["shard"],
            "due_at": values["due"],
        }
        cell.update(created | cell)
    names = {
        "OPEN": {"promised": "ballot", "hash": "hash"},
        "PREPARE": {"promised": "ballot"},
        "VOTE": {
            "promised": "ballot",
            "accepted_ballot": "ballot",
            "accepted": "value",
            "hash": "hash",
            "intent": "intent",
        },
        "ATTEMPT": {"attempt": "token", "attempted_at": "now"},
        "RESULT": {"result": "result"},
        "FINISH": {"result": "result"},
        "LATER": {"due_at": "due"},
        "PUBLISH": {
            "Amount": "amount",
            "Currency": "currency",
            "Timestamp": "timestamp",
            "Status": "status",
            "Region": "region",
            "Content": "result",
        },
    }.get(action, {})
    cell.update({attribute: values[name] for attribute, name in names.items()})
    for attribute in {
        "RELEASE": ("attempt", "attempted_at"),
        "FINISH": ("due_shard", "due_at"),
        "REST": ("due_shard", "due_at"),
    }.get(action, ()):
        cell.pop(attribute, None)


class World:
    """Cells, replicas (`replicate` copies them), receipts, a processor that remembers keys, and what is down."""

    def __init__(self) -> None:
        self.now = 1_000_000
        self.cells: dict[str, dict[str, dict[str, Any]]] = {region: {} for region in REGIONS}
        self.replicas: dict[str, dict[str, dict[str, Any]]] = {region: {} for region in REGIONS}
        self.receipts: dict[tuple[str, str], str] = {}
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

    def context(self, region: str = HOME, rail: str = "ledger", *, deduplicates: bool = False) -> Context:
        return Context(
            region=region,
            regions=REGIONS,
            rail=rail,
            deduplicates=deduplicates,
            key_lifetime=86400,
            now=lambda: self.now,
            draw=lambda _: next(self.draws),
            token=lambda: f"token-{next(self.draws)}",
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
                return self.update(self.cells[target], key, action.name, dict(values))
            case Read(target, key):
                return dict(self.cells[target].get(key, {}))
            case Publish(key, action, values):
                return self.update(self.replicas[region], key, action.name, dict(values))
            case ReadRecord(key):
                shown = self.replicas[region].get(key)
                return {"TransactionId": key, **shown} if shown else {}
            case WriteReceipt(key, body):
                self.receipts.setdefault((region, key), body)
                return True
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

    def update(self, table: dict[str, dict[str, Any]], key: str, action: str, values: dict[str, Any]) -> Answer:
        cell = dict(table.get(key, {}))
        if not HOLDS[action](cell, values):
            return Answer(False, cell)
        write(cell, action, values)
        table[key] = cell
        return Answer(True, dict(cell))

    def charge(self, charge: Charge) -> Verdict:
        self.charges.append(charge)
        return self.verdicts.setdefault(charge.key, Verdict(not self.declines, f"ch_{len(self.charges)}"))

    def replicate(self) -> None:
        for source in REGIONS:
            for key, item in self.replicas[source].items():
                for target in REGIONS:
                    self.replicas[target].setdefault(key, dict(item))
