"""One run: an adversary for a while, then everything but a Region lost for good heals, then the judge looks at what is left."""

import random
import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from payments.ports import LEDGER
from payments.record import SETTLED, publish, read_record, receipt

from tests.simulation.dice import Dice
from tests.simulation.judge import Judge
from tests.simulation.network import Network
from tests.simulation.rail import Rail
from tests.simulation.traffic import Traffic, intent
from tests.simulation.world import REGIONS, World

PROCESSOR = "https://processor.example"
HOUR = 3600
STEPS = 2500
SWEEPS = 25


class Options(NamedTuple):
    """What a run is about; `drawn` leaves it to the seed."""

    rail: str = "ledger"
    """ledger, processor, or mixed: a deployment changes one Region after the other."""
    deduplicates: bool = False
    clash: float = 0.1
    """Share of posts that carry another payload under the same id."""
    amnesia: bool = False
    """A register table is emptied and serves on (never allowed: see mutants)."""
    forgets: bool = False
    """The processor forgets its keys at once (never allowed either)."""


def drawn(dice: Dice) -> Options:
    """The mix of a campaign: two thirds by ledger, the rest through a processor that keeps keys or does not, or both rails."""
    rail = dice.pick(("ledger", "ledger", "ledger", "processor", "processor", "mixed"))
    return Options(rail, deduplicates=dice.chance(0.5), clash=dice.pick((0.1, 0.1, 0.0, 0.5)))


class Run:
    """Everything of one run. `play` is the whole of it; tests play parts."""

    def __init__(
        self,
        dice: Dice,
        options: Options,
        trace: Callable[[str], None] | None = None,
        network: type[Network] = Network,
    ):
        self.dice, self.options = dice, options
        self.judge = Judge()
        self.rail = Rail(
            dice,
            deduplicates=options.deduplicates,
            lifetime=24 * HOUR,
            declines=0.15,
            forgets=options.forgets,
            watch=self.judge.charged,
        )
        self.world = World(dice, self.rail, self.judge)
        self.world.trace = trace
        self.network = network(self.world, dice)
        self.traffic = Traffic(self.world, self.network, self.judge, dice)
        self.dead = ""
        self.sweeps = 0
        if options.rail != "ledger":
            self.world.rails = dict.fromkeys(REGIONS, PROCESSOR)
        if options.rail == "mixed":
            self.world.rails[dice.pick(REGIONS)] = LEDGER

    @property
    def alive(self) -> list[str]:
        return [region for region in REGIONS if region != self.dead]

    @property
    def payments(self) -> list[str]:
        return sorted({intent.id for intent in self.judge.submitted.values()})

    def play(self) -> Judge:
        self.adversary()
        self.heal()
        return self.judged()

    def judged(self) -> Judge:
        """What is left, judged."""
        self.judge.verdict(
            self.world,
            self.payments,
            self.alive,
            {str(d["transaction"]["id"]) for d in self.traffic.letters},
        )
        return self.judge

    # --- while it storms

    def adversary(self) -> None:
        dice, world, network, traffic = self.dice, self.world, self.network, self.traffic
        network.loss, network.kill = dice.pick((0.0, 0.05, 0.2)), dice.pick((0.0, 0.01, 0.05))
        network.sleep, lag = dice.pick((0.0, 0.01)), dice.pick((0.5, 0.05, 0.005))
        pace = dice.pick((0.1, 1.0, 10.0))
        if dice.chance(0.5):
            world.skew = {region: dice.between(-HOUR, HOUR) for region in REGIONS}
        fatal = dice.between(5, 120) if dice.chance(0.3) else STEPS
        wipe = dice.between(5, 120) if self.options.amnesia else STEPS
        numbers = range(1 + dice.below(2))
        for number in numbers:
            for _ in range(1 + dice.below(3)):
                variant = dice.chance(self.options.clash) + dice.chance(self.options.clash / 3)
                traffic.client(intent(number, variant), 3)
        for count in range(STEPS):
            if not network.live:
                break
            world.time += pace
            if dice.chance(0.08):
                self.weather(numbers)
            if count == fatal:
                self.lose(dice.pick(REGIONS))
            if count == wipe:
                world.cells[dice.pick(REGIONS)].clear()
            if world.mail and dice.chance(lag):
                network.deliver()
            if network.late and dice.chance(0.05):
                network.arrive_late()
            if network.live:
                network.step(dice.below(len(network.live)))
            if world.started:
                traffic.start_workflows()
            if world.events:
                traffic.route_events()

    def weather(self, numbers: Sequence[int]) -> None:
        """Something changes: a Region or a service goes, a link is cut, all comes back, a janitor runs, somebody looks."""
        dice, network, traffic = self.dice, self.network, self.traffic
        kind = dice.below(17)
        region = dice.pick(REGIONS)
        payment = f"p{dice.pick(numbers)}"
        if kind < 6:
            traffic.janitor(region, payment)
        elif kind < 8:
            network.heal()
            if self.dead:
                network.darken(self.dead)
        elif kind == 8:
            network.darken(region)
        elif kind == 9:
            network.cuts.add(frozenset((region, dice.pick([peer for peer in REGIONS if peer != region]))))
        elif kind == 10:
            network.isolate(region)
        elif kind == 11:
            network.down.add((dice.pick(("cell", "bucket", "public")), region))
        elif kind == 12:
            traffic.get(region, payment)
        elif kind == 13:
            self.world.skew[region] = dice.between(-HOUR, HOUR)
        elif kind == 14:
            network.pass_time(dice.pick((60, 600, HOUR, 13 * HOUR, 25 * HOUR)))
        elif kind == 15:
            network.stop_functions(region)
        elif self.options.rail == "mixed":
            self.world.rails[region] = dice.pick((PROCESSOR, LEDGER))
        else:
            network.wake()

    def lose(self, region: str) -> None:
        """A Region is lost for good."""
        self.dead = region
        self.network.heal()
        self.network.darken(region)

    # --- when it is over

    def heal(self) -> None:
        """Everything that lives heals; janitors of all Regions run side by side; then the sleepers wake; then again."""
        network, world, traffic = self.network, self.world, self.traffic
        network.loss = network.kill = network.sleep = 0.0
        network.heal()
        if self.dead:
            network.darken(self.dead)
        traffic.calm = True
        if self.options.rail == "mixed":  # the deployment ends, or is rolled back
            world.rails = dict.fromkeys(REGIONS, self.dice.pick((PROCESSOR, LEDGER)))
        world.skew = dict.fromkeys(REGIONS, 0)
        network.pass_time(3 * HOUR)
        network.live = [worker for worker in network.live if worker.region != self.dead]
        sleepers, network.sleepers = [w for w in network.sleepers if w.region != self.dead], []
        self.quiet()
        if sleepers:
            network.live += sleepers
            self.quiet()
        if self.dead:
            self.reconcile()
            self.quiet()

    def quiet(self) -> None:
        """Sweeps until nothing is due that may not rest."""
        world, network = self.world, self.network
        for sweep in range(SWEEPS):
            self.sweeps = max(self.sweeps, sweep + 1)
            for region in self.alive:
                for payment, cell in list(world.cells[region].items()):
                    if int(cell.get("due_at", world.time + 1)) <= world.time:
                        self.traffic.janitor(region, payment)
            self.run_dry()
            if not any("due_at" in cell and not self.rests(payment) for payment, cell in self.living_cells()):
                break
            world.time += 300

    def run_dry(self) -> None:
        world, network, traffic, dice = self.world, self.network, self.traffic, self.dice
        while network.live or network.late or world.mail or world.started or world.events:
            world.time += 0.1
            traffic.start_workflows()
            traffic.route_events()
            if network.late:
                network.arrive_late()
            if world.mail and (not network.live or dice.chance(0.3)):
                world.mail = [letter for letter in world.mail if self.dead not in (letter.source, letter.target)]
                if world.mail:
                    network.deliver()
            if network.live:
                network.step(dice.below(len(network.live)))

    def living_cells(self) -> list[tuple[str, dict[str, object]]]:
        return [(payment, dict(cell)) for region in self.alive for payment, cell in self.world.cells[region].items()]

    def rests(self, payment: str) -> bool:
        cells = [self.world.cells[region].get(payment, {}) for region in self.alive]
        ended = any(self.world.record(region, payment) for region in self.alive)
        return not ended and self.judge.parked(self.world, payment, cells, self.alive) in ("split", "doubt")

    def reconcile(self) -> None:
        """`payctl reconcile`: what the lost Region had sent to one of the others only."""
        for payment in self.payments:
            shown = [self.world.record(region, payment) for region in self.alive]
            known = next((record for record in shown if record), None)
            if known is None:
                continue
            intent_, result = read_record(known)
            for region in self.alive:
                self.world.perform(region, publish(intent_, result))
                if result.status == SETTLED:
                    self.world.perform(region, receipt(intent_, result))


def play(seed: int, options: Options | None = None, trace: Callable[[str], None] | None = None) -> Judge:
    """The run of a seed. Options that are not given are drawn from the seed as well."""
    dice = Dice(random.Random(seed).random)
    run = Run(dice, options or drawn(dice), trace)
    try:
        return run.play()
    except Exception as error:  # noqa: BLE001  # whatever production raises is a finding like any other
        where = traceback.extract_tb(error.__traceback__)[-1]
        run.judge.accuse("crashed", "", f"{error!r} in {where.name}, {where.filename}:{where.lineno}")
        return run.judge
