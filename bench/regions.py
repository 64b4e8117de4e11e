"""Three Regions behind one address, each as far away as it is: what stands for AWS in `bench.janitor`.

Real requests are answered by the services of the simulation (tests/handlers), which execute the production's
expressions. Payments of a backlog are made up when they are asked for, so that a million of them fit into memory.

    python -m bench.regions KIND COUNT [SILENT]     prints its port; GET /cleared: how many cells rest, and much more
"""

import asyncio
import hashlib
import json
import random
import sys
import time
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from payments.protocol.idempotency import due_shard
from payments.protocol.ports import LEDGER, REGISTER
from payments.protocol.record import publish
from payments.protocol.values import SETTLED, Payment, conclude, intent_of, value_of

from bench.server import Connection, listen
from tests.handlers.services import SCOPE, Services
from tests.handlers.wire import Message, answer
from tests.simulation.dice import Dice
from tests.simulation.world import REGIONS, Item, World

HERE, NEAR, FAR = REGIONS
"""The Region whose janitor is measured; of the others the near one is silent where one is."""
LATENCY = {HERE: 0.005, NEAR: 0.07, FAR: 0.2}
"""Seconds until the answer to a request of `HERE`. (The other two are 90 ms apart; nothing here goes between them.)"""
ACCOUNT = "111122223333"
EPOCH = int(time.time()) - 600
STUCK = "stuck"


class Generated(dict[str, Any]):
    """A mapping whose values are made up by `make` unless others were set."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        super().__init__()
        self.make = make

    def get(self, key: str, default: Any = None) -> Any:
        found = dict.get(self, key)
        if found is None:
            found = self.make(key)
        return default if found is None else found

    def __contains__(self, key: object) -> bool:
        return self.get(str(key)) is not None

    def __getitem__(self, key: str) -> Any:
        return self.get(key)


SAMPLE = intent_of(Payment("sample", 9999, "USD", EPOCH * 10**6, ACCOUNT))
VALUE = value_of(NEAR, SAMPLE.hash, EPOCH, LEDGER)
RESULT = conclude(SAMPLE, VALUE, SETTLED)
TOLD = publish(SAMPLE, RESULT).values


def digest_of(payment: str) -> tuple[str, str]:
    """The payload of a payment of the backlog and its hash: those of the sample under its id."""
    text = SAMPLE.text.replace('"sample"', f'"{payment}"')
    return text, hashlib.sha256(text.encode()).hexdigest()


class Backlog:
    """Payments that the near Region took, of one kind each: "shown" (its record and receipt have arrived here: the cell
    only has to be put to rest), "decided" (they have not), "promised" (nothing is decided either)."""

    def __init__(self, kind: str, count: int) -> None:
        kinds = {"shown": ("shown",), "open": ("decided", "promised")}[kind]
        self.kind_of = {f"b{number:07d}": kinds[number % len(kinds)] for number in range(count)}

    def cell(self, payment: str) -> Item | None:
        kind = self.kind_of.get(payment)
        if kind is None:
            return None
        text, digest = digest_of(payment)
        held: dict[str, Any] = {
            "TransactionId": payment,
            "hash": digest,
            "intent": text,
            "accepted_at": EPOCH,
            "promised": 1_000_001,
            "due_shard": due_shard(payment),
            "due_at": EPOCH + 60,
        }
        if kind != "promised":
            held |= {"accepted_ballot": 1_000_001, "accepted": VALUE.text.replace(SAMPLE.hash, digest)}
        return held

    def record(self, payment: str) -> Any:
        if self.kind_of.get(payment) != "shown":
            return None
        _, digest = digest_of(payment)
        shown = {
            "TransactionId": payment,
            "Amount": TOLD["amount"],
            "Currency": TOLD["currency"],
            "Timestamp": TOLD["timestamp"],
            "Status": TOLD["status"],
            "Region": TOLD["region"],
            "Content": str(TOLD["result"]).replace(SAMPLE.hash, digest),
        }
        return (0.0, NEAR), shown

    def receipt(self, key: str) -> list[str] | None:
        payment = key.removeprefix("receipts/").removesuffix(".json")
        return ["the bytes do not matter here"] if self.kind_of.get(payment) == "shown" else None


class RealWorld(World):
    """A world whose time is the clock's."""

    @property
    def time(self) -> float:
        return time.time()

    @time.setter
    def time(self, moment: float) -> None: ...


class Watcher:
    """Keeps the index of what is due, and counts what was put to rest."""

    def __init__(self) -> None:
        self.index: dict[str, list[tuple[int, str]]] = {f"{shard:x}": [] for shard in range(16)}
        self.cleared = 0
        self.asked: Counter[str] = Counter()
        self.settled: dict[str, float] = {}

    def cell_changed(self, region: str, payment: str, old: Item, new: Item) -> None:
        if region != HERE or payment.startswith(":"):
            return
        before, after = ((int(cell["due_at"]), payment) if "due_at" in cell else None for cell in (old, new))
        if before != after:
            index = self.index[due_shard(payment)]
            if before:
                del index[bisect_left(index, before)]
            if after:
                insort(index, after)
        if before and not after:
            self.cleared += 1
            if payment.startswith(STUCK):
                self.settled[payment] = time.time()

    def record_changed(self, region: str, payment: str, old: Item, new: Item) -> None: ...


class DistantServices(Services):
    """Services with an index that holds a million cells, and nothing that goes wrong."""

    watcher: Watcher

    def due(
        self, _: str, shard: str, latest: float, after: tuple[int, str] | None, limit: int, *, newest: bool
    ) -> list[tuple[int, str]]:
        index = self.watcher.index.get(shard, [])
        end = bisect_right(index, (int(latest), "~"))
        if newest:
            end = end if after is None else bisect_left(index, after)
            return index[max(0, end - limit) : end][::-1]
        begin = 0 if after is None else bisect_right(index, after)
        return index[begin : min(end, begin + limit)]


class Function(Connection):
    """Each request is answered after its Region's latency."""

    def __init__(self, cloud: "Cloud") -> None:
        super().__init__()
        self.cloud = cloud

    def requested(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> None:
        if method == "GET":
            self.transport.write(answer(200, json.dumps(self.cloud.told(path)).encode()))
            return
        scope = SCOPE.match(headers["authorization"])
        assert scope is not None  # noqa: S101 - the production signs all it sends
        region, service = scope["region"], scope["service"]
        if region in self.cloud.silent:
            return
        host = f"{service}.{region}.amazonaws.com"
        if service == "s3":
            _, bucket, path = path.split("/", 2)
            host, path = f"{bucket}.{host}", f"/{path}"
        call = self.cloud.services.read(Message(None, host, method, path, dict(headers), body))  # type: ignore[arg-type]
        self.cloud.watcher.asked[call.what.partition(" ")[0]] += 1
        self.cloud.loop.call_later(LATENCY[region], self._serve, call, method)

    def _serve(self, call: Any, method: str) -> None:
        status, body = call.serve()
        self.transport.write(answer(status, b"" if method == "HEAD" else body))


class Cloud:
    """All of it. `silent`: Regions that accept connections and never answer."""

    def __init__(self, kind: str, count: int, silent: frozenset[str]) -> None:
        self.silent = silent
        self.watcher = Watcher()
        dice = Dice(random.Random(1).random)
        self.world = RealWorld(dice, None, self.watcher)  # type: ignore[arg-type]  # by ledger
        self.services = DistantServices(self.world, dice)
        self.services.watcher, self.services.unprocessed = self.watcher, 0.0
        self.backlog = Backlog(kind, count)
        for region in REGIONS:
            about = {"serves": region, "table_id": self.services.tables[region], "log_key": "00" * 32}
            self.world.cells[region] = Generated(self.backlog.cell)
            self.world.cells[region][REGISTER] = {"TransactionId": REGISTER, **about}
            self.world.replicas[region] = Generated(self.backlog.record)
            self.world.buckets[region] = Generated(self.backlog.receipt)
        for payment in self.backlog.kind_of:
            self.watcher.index[due_shard(payment)].append((EPOCH + 60, payment))
        for index in self.watcher.index.values():
            index.sort()

    def told(self, path: str) -> Any:
        """What the judge asks: how far the janitor is; or it has another payment get stuck, due from now on."""
        if path.startswith("/stick/"):
            name = path.rpartition("/")[2]
            payment = f"{STUCK}{name}"
            self.backlog.kind_of[payment] = "promised"
            insort(self.watcher.index[due_shard(payment)], (int(time.time()), payment))
            self.world.cells[HERE][payment] = {**(self.backlog.cell(payment) or {}), "due_at": int(time.time())}
        return {
            "cleared": self.watcher.cleared,
            "asked": self.watcher.asked,
            "settled": self.watcher.settled,
            "left": sum(map(len, self.watcher.index.values())),
        }

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await listen(lambda: Function(self))


if __name__ == "__main__":
    kind, count, *silent = sys.argv[1:]
    asyncio.run(Cloud(kind, int(count), frozenset(silent)).serve())
