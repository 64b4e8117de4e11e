"""What requests do: cells and public record by production's own expressions, a processor, and what must be kept in mind
of the past to judge it."""

from typing import Any, NamedTuple

from payments.protocol import ports
from payments.protocol.ports import LOST, Answer, Cancel, Charge, Lookup, Publish, Read, ReadRecord, Update, Verdict

from tests.search.flows import Asked
from tests.search.tables import Table, hashable
from tests.simulation.world import EPOCH, REGIONS, Item, compiled

TIMES = ("accepted_at", "due_at", "attempted_at")
"""Attributes that hold a moment. Time stands still in a search: each worker's clock says how late it is."""
NONE: Item = {}
NOBODY = -1
CANCELLED: Any = getattr(ports, "CANCELLED", LOST)
"""What a processor says of a key that it was told to refuse."""
FINAL = 2
"""Cells that decide, or make a result final."""


class Processor(NamedTuple):
    """`honours` keys, `cancels` them when asked, `declines` what it is asked first."""

    honours: bool = False
    cancels: bool = True
    declines: bool = False


class Account(NamedTuple):
    """What the processor knows of one key: how often it took money, its word, whether it refuses the key."""

    key: str
    charges: int = 0
    verdict: Verdict | None = None
    cancelled: bool = False


class World(NamedTuple):
    """Everything but the workers; cells and records by number, in rank order.

    `lost`: the index of the Region that is lost, or NOBODY. `past`: votes that a later one replaced, by (Region,
    ballot, value); `decided`: every value that two cells ever accepted in one ballot; `fault`: what a request did that
    it must not do."""

    cells: tuple[int, int, int] = (0, 0, 0)
    records: tuple[int, int, int] = (0, 0, 0)
    accounts: tuple[Account, ...] = ()
    lost: int = NOBODY
    past: frozenset[tuple[int, int, str]] = frozenset()
    decided: frozenset[str] = frozenset()
    fault: str = ""


class Worlds:
    """All worlds found so far, and what each request makes of each."""

    def __init__(self, answers: Table[Any], asked: Table[Asked], processor: Processor) -> None:
        self.answers, self.asked, self.processor = answers, asked, processor
        self.items: Table[Item] = Table(NONE, key=hashable)
        self.worlds: Table[World] = Table(World())
        self._outcomes: dict[tuple[int, int], tuple[int, int]] = {}

    def __getitem__(self, number: int) -> World:
        return self.worlds[number]

    def cells(self, world: World) -> dict[str, Item]:
        return {region: self.items[number] for region, number in zip(REGIONS, world.cells, strict=True)}

    def records(self, world: World) -> dict[str, Item]:
        return {region: self.items[number] for region, number in zip(REGIONS, world.records, strict=True)}

    def perform(self, world: int, asked: int) -> tuple[int, int]:
        """The number of the answer, and of the world afterwards."""
        known = self._outcomes.get((world, asked))
        if known is None:
            answer, after = self._do(self.worlds[world], self.asked[asked])
            known = self._outcomes[world, asked] = self.answers.number(answer), self.worlds.number(after)
        return known

    def change(self, world: int, **changes: Any) -> int:
        return self.worlds.number(self.worlds[world]._replace(**changes))

    def _do(self, world: World, asked: Asked) -> tuple[Any, World]:  # noqa: PLR0911  # one return a kind of request
        match asked.request:
            case Update(region) | Read(region) if REGIONS.index(region) == world.lost:
                return LOST, world
            case Update() as update:
                return self._update(world, update)
            case Read(region):
                return self.items[world.cells[REGIONS.index(region)]], world
            case Publish() as publish:
                return self._publish(world, REGIONS.index(asked.region), publish)
            case ReadRecord():
                return self.items[world.records[REGIONS.index(asked.region)]], world
            case Charge(_, key):
                return self._charge(world, account(world, key))
            case Lookup(_, key):
                known = account(world, key)
                return (CANCELLED if known.cancelled and CANCELLED is not LOST else known.verdict), world
            case Cancel(_, key):
                return self._cancel(world, account(world, key))
        raise TypeError(f"{asked.request} is for nobody")

    def _update(self, world: World, update: Update) -> tuple[Answer, World]:
        at = REGIONS.index(update.region)
        old = self.items[world.cells[at]]
        new = compiled(update.action)(old, update.values)
        if new is None:
            return Answer(False, old), world
        new |= {"TransactionId": update.id, **{name: EPOCH for name in TIMES if name in new}}
        if new == old:
            return Answer(True, old), world
        world = world._replace(cells=replaced(world.cells, at, self.items.number(new)))
        if "result" in old and new.get("result") != old["result"]:
            world = world._replace(fault="a result was replaced")
        if "attempt" in old and new.get("attempt") != old["attempt"] != update.values.get("token"):
            world = world._replace(fault="a call's claim was taken from it by another call")
        if "accepted" in new and new["accepted_ballot"] != old.get("accepted_ballot"):
            world = self._voted(world, at, old, new)
        elif new.get("accepted") != old.get("accepted"):
            world = world._replace(fault="two values accepted in one ballot by one cell")
        return Answer(True, new), world

    def _voted(self, world: World, at: int, old: Item, new: Item) -> World:
        """Remember a vote that is no longer shown, and what two votes decide."""
        past = world.past
        if "accepted" in old:
            past |= {(at, int(old["accepted_ballot"]), str(old["accepted"]))}
        shown = {
            (region, int(cell["accepted_ballot"]), str(cell["accepted"]))
            for region, cell in enumerate(map(self.items.__getitem__, world.cells))
            if "accepted" in cell
        }
        ballot, value = int(new["accepted_ballot"]), str(new["accepted"])
        holders = {region for region, *vote in past | shown if vote == [ballot, value]}
        decided = world.decided | {value} if len(holders) >= FINAL else world.decided
        return world._replace(past=past, decided=decided)

    def _publish(self, world: World, at: int, publish: Publish) -> tuple[Answer, World]:
        old = self.items[world.records[at]]
        new = compiled(publish.action)(old, publish.values)
        if new is None:
            return Answer(False, old), world
        new["TransactionId"] = publish.id
        return Answer(True, new), world._replace(records=replaced(world.records, at, self.items.number(new)))

    def _charge(self, world: World, known: Account) -> tuple[Any, World]:
        if known.cancelled:
            return CANCELLED, world
        if known.verdict and (self.processor.honours or not known.verdict.settled):
            return known.verdict, world
        if self.processor.declines:
            verdict = Verdict(settled=False)
            return verdict, booked(world, known._replace(verdict=verdict))
        verdict = Verdict(True, f"ref-{known.charges + 1}")
        return verdict, booked(world, known._replace(charges=known.charges + 1, verdict=known.verdict or verdict))

    def _cancel(self, world: World, known: Account) -> tuple[Any, World]:
        if not self.processor.cancels:
            return LOST, world
        if known.verdict:
            return known.verdict, world
        return None, booked(world, known._replace(cancelled=True))


def account(world: World, key: str) -> Account:
    return next((known for known in world.accounts if known.key == key), Account(key))


def booked(world: World, new: Account) -> World:
    others = [known for known in world.accounts if known.key != new.key]
    return world._replace(accounts=tuple(sorted([*others, new], key=lambda each: each.key)))


def replaced(numbers: tuple[int, ...], at: int, number: int) -> Any:
    return (*numbers[:at], number, *numbers[at + 1 :])
