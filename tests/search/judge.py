"""What may never be found, in any state: the invariants of `tests/simulation/judge.py`, as far as one payment goes, and
that all ends well from here.

`heal` lets everybody die now, one Region perhaps with them, and asks whether the janitors of the others, and then an
operator, bring the payment to an end that agrees with whatever anybody was told.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from payments.protocol import operations, sweep
from payments.protocol.ports import LEDGER, Context, Flow
from payments.protocol.values import NOT_CHARGED, SETTLED, Intent, key, read_result, read_value

from tests.search.flows import Flows, Told, Worker
from tests.search.world import FINAL, NOBODY, World, Worlds, replaced
from tests.simulation.traces import describe, describe_answer
from tests.simulation.world import REGIONS

ROUNDS = 5
"""Runs of the janitors that must do."""
RULING = 2
"""The run after which an operator rules on what is still parked."""
LATE = 3 * 3600
"""Seconds until all is healed."""
HEALERS = 900
"""From here on, the ballots that they draw."""
STEPS = 60
"""More batches than any flow makes."""

Say = Callable[[str], None]


class End(NamedTuple):
    """How it ended once all was healed: what the public record says, "" where nothing is public; `quiet`: nothing is
    due in any living cell; and the world then."""

    content: str
    quiet: bool
    world: World


class Judge:
    """`intents`: the payloads posted. `losable`: the Regions that may be lost on top of all, one at a time."""

    def __init__(
        self,
        flows: Flows,
        worlds: Worlds,
        *,
        payment: str,
        intents: Iterable[Intent],
        rail: str,
        losable: tuple[int, ...],
    ):
        self.flows, self.worlds = flows, worlds
        self.payment, self.rail = payment, rail
        self.keys = {key(intent): intent.hash for intent in intents}
        self.losable = losable
        self._ends: dict[tuple[int, int], End] = {}
        self._verdicts: dict[tuple[int, frozenset[Told]], str] = {}
        self._runs: dict[tuple[int, str], int] = {}
        self._healers: dict[str, Worker] = {}

    def fault(self, number: int, told: frozenset[Told]) -> str:
        """What is wrong, in words; "" when all is well."""
        known = self._verdicts.get((number, told))
        if known is None:
            known = self._verdicts[number, told] = self._now(self.worlds[number], told) or self._later(number, told)
        return known

    def _now(self, world: World, told: frozenset[Told]) -> str:  # noqa: PLR0911  # one return a fault
        if world.fault:
            return world.fault
        if len(world.decided) > 1:
            return f"two values are decided: {' and '.join(sorted(world.decided))}"
        hashes = {read_value(value).hash for value in world.decided}
        accepted, refused, results = (
            {fact.what for fact in told if fact.kind == kind} for kind in ("accepted", "refused", "result")
        )
        public = {str(record["Content"]) for record in self.worlds.records(world).values() if record}
        shown = [str(cell["result"]) for cell in self.worlds.cells(world).values() if "result" in cell]
        final = {text for text in shown if shown.count(text) >= FINAL}
        if len(results) > 1 or len(public | results) > 1:
            return f"two different ends were shown: {' and '.join(sorted(public | results))}"
        if final and (public | results) - final:
            return f"{(public | results).pop()} was shown, and {final.pop()} is final"
        if len(accepted) > 1:
            return "two payloads were accepted"
        if hashes and accepted - hashes:
            return "one payload was accepted, another is decided"
        if refused & hashes:
            return "a payload was refused for good, and it is decided"
        ends = {read_result(text) for text in public | results | final}
        if any(end.hash in refused or (accepted and end.hash not in accepted) for end in ends):
            return "how it ended is not what was told"
        charged = [known for known in world.accounts for _ in range(known.charges)]
        if len(charged) > 1:
            return "it was charged twice"
        if any(self.keys.get(known.key) not in hashes for known in charged):
            return "it was charged and that payload is not decided"
        if any(end.rail != LEDGER and (end.status == SETTLED) != bool(charged) for end in ends):
            return f"it ended {ends.pop().status}, and was {'' if charged else 'not '}charged"
        return ""

    # --- what becomes of it

    def _later(self, number: int, told: frozenset[Told]) -> str:
        world = self.worlds[number]
        for lost in (world.lost,) if world.lost != NOBODY else (NOBODY, *self.losable):
            held = any(cell for at, cell in enumerate(world.cells) if at != lost)
            if not held and not told:
                continue
            end = self.heal(number, lost)
            away = f"with {REGIONS[lost]} lost" if lost != NOBODY else "with all Regions back"
            after = {Told("result", end.content)} if end.content else set()
            if not end.content:
                return f"{away} it never ends"
            if wrong := self._now(end.world, told | after):
                return f"{away} the janitors end it, and then: {wrong}"
            if not end.quiet:
                return f"{away} it ends, and the janitors never rest"
        return ""

    def heal(self, number: int, lost: int, say: Say | None = None) -> End:
        """How it ends if all workers die now and that Region is lost with them."""
        known = self._ends.get((number, lost))
        if known is None or say:
            known = self._ends[number, lost] = self._heal(number, lost, say)
        return known

    def _heal(self, start: int, lost: int, say: Say | None) -> End:
        alive = [region for at, region in enumerate(REGIONS) if at != lost]
        number = self.worlds.change(start, lost=lost)
        for turn in range(ROUNDS):
            for region in alive:
                number = self._run(self._janitor(region), number, say)
                number = self._replicate(number, alive)
            if turn == RULING and self.rail != LEDGER and not self._public(number, alive):
                number = self._run(self._operator(alive[0], self.worlds[number]), number, say)
            if self._quiet(number, alive):
                break
        return End(self._public(number, alive), self._quiet(number, alive), self.worlds[number])

    def _public(self, number: int, alive: list[str]) -> str:
        """What the records of all living Regions say; "" where one shows nothing."""
        records = self.worlds.records(self.worlds[number])
        contents = [str(records[region].get("Content", "")) for region in alive]
        return contents[0] if all(contents) else ""

    def _quiet(self, number: int, alive: list[str]) -> bool:
        cells = self.worlds.cells(self.worlds[number])
        return not any("due_at" in cells[region] for region in alive)

    def _replicate(self, number: int, alive: list[str]) -> int:
        """What one living Region shows reaches those that show nothing."""
        world = self.worlds[number]
        living = [REGIONS.index(region) for region in alive]
        shown = next((world.records[at] for at in living if world.records[at]), 0)
        records = world.records
        for at in living:
            if not records[at]:
                records = replaced(records, at, shown)
        return self.worlds.change(number, records=records)

    def _run(self, worker: Worker, number: int, say: Say | None) -> int:
        known = self._runs.get((number, worker.name))
        if known is None or say:
            known = self._runs[number, worker.name] = self._run_through(worker, number, say)
        return known

    def _run_through(self, worker: Worker, number: int, say: Say | None) -> int:
        """Run one flow to its end; nothing is lost but what goes to the lost Region."""
        flows = self.flows
        stand = flows.begin(worker)
        for _ in range(STEPS):
            pending = flows.pending(stand)
            if not pending:
                if say:
                    say(f"{worker.name}: ends: {flows.place(stand).end}")
                return number
            for index, asked in pending:
                answer, number = self.worlds.perform(number, asked)
                stand = flows.hear(stand, index, answer)
                if say:
                    said = describe_answer(flows.answers[answer])
                    say(f"{worker.name}: {describe(flows.asked[asked].request)} -> {said}")
        raise AssertionError(f"{worker.name} never ends")

    def _janitor(self, region: str) -> Worker:
        def start(ctx: Context) -> Flow[Any]:
            return sweep.sweep(ctx, self.payment)

        return self._worker(f"(healed) janitor@{region}", region, start)

    def _operator(self, region: str, world: World) -> Worker:
        """An operator who says what the processor's books say."""
        verdict = next((known.verdict for known in world.accounts if known.verdict), None)
        if verdict and verdict.settled:
            ruling = operations.Ruling(SETTLED, by="the healer", reference=verdict.reference)
        else:
            ruling = operations.Ruling(NOT_CHARGED, by="the healer", reason="the processor's books")

        def start(ctx: Context) -> Flow[Any]:
            return operations.resolve(ctx, self.payment, ruling)

        return self._worker(f"(healed) operator@{region} {ruling.status} {ruling.reference}", region, start)

    def _worker(self, name: str, region: str, start: Callable[[Context], Flow[Any]]) -> Worker:
        if name not in self._healers:
            honours = self.worlds.processor.honours
            ballot = HEALERS + REGIONS.index(region)
            self._healers[name] = Worker(name, region, start, None, ballot, LATE, self.rail, honours)
        return self._healers[name]
