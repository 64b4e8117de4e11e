"""Runs of the simulator, as TLC can follow them: every change of one payment's cells, in its order, also where a
register loses its memory and rejoins.

The only place that knows both names: those of `idempotency.py`'s attributes and those of docs/spec/Register.tla.
"""

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, Final, NamedTuple

from payments.protocol.ports import LEDGER, Request, Update
from payments.protocol.values import DECLINED, NOT_CHARGED, SETTLED, read_result, read_value

from tests.simulation.dice import Dice
from tests.simulation.options import Options
from tests.simulation.scenario import Run
from tests.simulation.world import REGIONS, Insert

CELL: Final = dict(zip(REGIONS, "ABC", strict=True))
OUT: Final = {SETTLED: "settled", DECLINED: "declined", NOT_CHARGED: "cancelled"}
POST, TAKEOVER, REJOIN = "OPEN", "PREPARE", "rejoin"
KINDS: Final = (POST, TAKEOVER, REJOIN)
Item = Mapping[str, Any]


class Worker(NamedTuple):
    """Who asked for a ballot: by which action, with which payload. A rejoin is known by its asking a barred cell."""

    kind: str
    ballot: int
    payload: str


class Change(NamedTuple):
    """What a cell was seen to hold after one conditional write."""

    region: str
    cell: Item


class Trace(NamedTuple):
    """One payment of a run: `changes` of its cells, and the workers who made them. `lost`: one cell was emptied."""

    name: str
    rail: str
    workers: tuple[Worker, ...]
    changes: tuple[Change, ...]
    lost: bool = False

    @property
    def contested(self) -> bool:
        return len({worker.payload for worker in self.workers}) > 1

    @property
    def taught(self) -> str:
        """By what its lost cell was taught; "" where none was lost."""
        by = "ballot" if any(worker.kind == REJOIN for worker in self.workers) else "result"
        return by if self.lost else ""


class Recorder:
    """Stands between the network and the world, and keeps what changes in the cells."""

    def __init__(self, run: Run):
        self.world, self.perform, self.forget = run.world, run.world.perform, run.operators.forget
        self.barred = run.network.barred
        self.workers: dict[str, dict[Worker, None]] = {}
        self.changes: dict[str, list[Change]] = {}
        self.rejoins: set[int] = set()
        self.lost: set[str] = set()
        self.restored: set[str] = set()
        """Those of which an older cell came back, which the model does not know."""
        run.world.perform = self.watch  # type: ignore[method-assign]
        run.operators.forget = self.watch_forget  # type: ignore[method-assign]

    def watch(self, region: str, request: Request | Insert) -> Any:
        if not isinstance(request, Update | Insert) or request.id.startswith(":"):
            return self.perform(region, request)  # type: ignore[arg-type]
        table = self.world.cells[request.region]
        before = dict(table.get(request.id, {}))
        answer = self.perform(region, request)  # type: ignore[arg-type]
        after = dict(table.get(request.id, {}))
        if seen(before, self.world.rails[region]) != seen(after, self.world.rails[region]):
            self.changes.setdefault(request.id, []).append(Change(request.region, after))
            if isinstance(request, Update) and request.action.name in KINDS:
                ballot, payload = int(request.values["ballot"]), str(request.values["hash"])
                self.workers.setdefault(request.id, {})[Worker(request.action.name, ballot, payload)] = None
                if request.region in self.barred:
                    self.rejoins.add(ballot)
        return answer

    def watch_forget(self, region: str, *, dark: bool) -> None:
        held = dict(self.world.cells[region])
        self.forget(region, dark=dark)
        for payment in held:
            after = self.world.cells[region].get(payment, {})
            self.changes.setdefault(payment, []).append(Change(region, after))
            (self.restored if after else self.lost).add(payment)

    def trace(self, name: str, payment: str, rail: str) -> Trace:
        workers = [
            worker._replace(kind=REJOIN) if worker.ballot in self.rejoins else worker
            for worker in self.workers.get(payment, {})
        ]
        return Trace(name, rail, tuple(workers), tuple(self.changes[payment]), payment in self.lost)


def seen(cell: Item, rail: str) -> str:
    """A cell as a record of the model."""
    value, result = "None", "None"
    if "accepted" in cell:
        accepted = read_value(str(cell["accepted"]))
        value = f"[h |-> {text(accepted.hash)}, r |-> {CELL[accepted.region]}]"
    if "result" in cell:
        ended = read_result(str(cell["result"]))
        where = f"h |-> {text(ended.hash)}, r |-> {CELL.get(ended.region, 'None')}"
        result = f"[{where}, out |-> {text(OUT.get(ended.status, ended.status))}]"
    attempt = "TRUE" if "attempt" in cell and rail != LEDGER else "FALSE"
    return (
        f"[hash |-> {text(str(cell['hash'])) if 'hash' in cell else 'None'}, promised |-> {cell.get('promised', 0)}, "
        f"accepted |-> {cell.get('accepted_ballot', 0)}, attempt |-> {attempt}, value |-> {value}, result |-> {result}]"
    )


def text(name: str) -> str:
    return f'"{name[:12]}"'


def module(trace: Trace) -> str:
    """The module that TLC follows."""
    ordered = sorted(trace.workers, key=lambda worker: (KINDS.index(worker.kind), worker.ballot))
    log = ",\n  ".join(
        f"[c |-> {CELL[change.region]}, seen |-> {seen(change.cell, trace.rail)}]" for change in trace.changes
    )
    payloads = sorted({text(worker.payload) for worker in ordered})
    return f"""---- MODULE Replay ----
EXTENDS Trace
CONSTANTS A, B, C
TheHashes == {{{", ".join(payloads)}}}
ThePayloads == <<{", ".join(text(worker.payload) for worker in ordered)}>>
TheBallots == <<{", ".join(str(worker.ballot) for worker in ordered)}>>
TheLog == <<
  {log}>>
====
"""


def configuration(trace: Trace) -> str:
    """What TLC is to do with it: the trace is allowed when NotAllowed fails."""
    posts, takeovers, rejoins = (sum(worker.kind == kind for worker in trace.workers) for kind in KINDS)
    return f"""CONSTANTS
  A = A
  B = B
  C = C
  None = None
  Cells = {{A, B, C}}
  Hashes <- TheHashes
  Posts = {posts}
  Takeovers = {takeovers}
  Rejoins = {rejoins}
  Start = "empty"
  Rail = "{trace.rail if trace.rail == LEDGER else "once"}"
  Loss = "{"memory" if trace.lost else "none"}"
  Gone = FALSE
  Mutant = ""
  Payloads <- ThePayloads
  Ballots <- TheBallots
  Log <- TheLog
SPECIFICATION TraceSpec
INVARIANT NotAllowed
"""


def played(seed: int, rail: str, clash: float, *, lost: bool) -> Iterator[Trace]:
    """What became of the payments of one run, storm and healing."""
    run = Run(Dice(Random(seed).random), Options(rail=rail, clash=clash, amnesia="rejoined" if lost else ""))
    recorder = Recorder(run)
    run.play()
    for payment in recorder.changes.keys() - recorder.restored:
        yield recorder.trace(f"seed {seed}, {payment}, {rail}{', a cell lost' if lost else ''}", payment, rail)


def interesting(rail: str, *, contested: bool, taught: str = "", longest: int = 24) -> Iterator[Trace]:
    """Traces of runs in which more than one worker had a part, short enough to follow quickly. `taught`: a cell loses
    its memory and is taught by a "ballot" or by a "result" that another shows."""
    for seed in range(10**6):
        for trace in sorted(played(seed, rail, 0.9 if contested else 0.0, lost=bool(taught))):
            ballots = [worker.ballot for worker in trace.workers]
            alone = len(set(ballots)) == len(ballots)
            fits = trace.contested == contested and trace.taught == taught
            if alone and len(ballots) > 1 and len(trace.changes) <= longest and fits:
                yield trace
