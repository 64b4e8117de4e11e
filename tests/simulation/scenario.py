"""One run: an adversary for a while, then everything heals except a Region lost for good, then the operator closes what
is parked, then the judge examines what is left."""

import random
import traceback
from collections.abc import Callable, Iterable

from payments.protocol.ports import LEDGER, WriteReceipt
from payments.protocol.record import publish, read_record

from tests.simulation.dice import Dice
from tests.simulation.fates import Fate
from tests.simulation.judge import ENDS, Judge
from tests.simulation.network import Network
from tests.simulation.operators import Operators
from tests.simulation.options import Options, drawn
from tests.simulation.parked import Parked
from tests.simulation.rail import Rail
from tests.simulation.traffic import Traffic, intent
from tests.simulation.weather import HOUR, PROCESSOR, Weather
from tests.simulation.world import REGIONS, Item, World

FUNCTION = 900
"""Seconds after which a function is ended (Timeout in templates/regional.json)."""
STEPS = 2500
SWEEPS = 25
WEATHER, LATENESS = 0.08, 0.05
"""Chances that a step begins with a change of the weather, or with the arrival of what was long on its way."""
PATIENCE = 18
"""Times five minutes: clocks that were an hour wrong, and what janitors and operators wait for besides."""


class Run:
    """The whole of one run. `play` plays it; tests play parts."""

    def __init__(
        self,
        dice: Dice,
        options: Options,
        trace: Callable[[str], None] | None = None,
        network: type[Network] = Network,
    ):
        self.dice, self.options = dice, options
        self.judge = Judge()
        self.rail = Rail(dice, self.judge.charged, options)
        self.world = World(dice, self.rail, self.judge)
        self.world.trace, self.world.ballots = trace, options.ballots
        if options.stale:
            self.world.stale = {}
        self.network = network(self.world, dice)
        self.traffic = Traffic(self.world, self.network, self.judge, dice)
        self.operators = Operators(self.world, self.network, self.judge, dice)
        self.parked = Parked(self.world, self.network, self.judge, self.operators)
        self.weather = Weather(self.world, self.network, self.traffic, self.operators, dice)
        self.weather.deploying = options.rail == "mixed"
        if options.rail != "ledger" and not options.cancels:
            self.weather.apart, self.network.oldest = HOUR // 3, FUNCTION
        self.alive = list(REGIONS)
        self.sweeps = 0
        self.public: set[str] = set()
        if options.rail != "ledger":
            self.world.rails = dict.fromkeys(REGIONS, PROCESSOR)
        if options.rail == "mixed":
            self.world.rails[dice.pick(REGIONS)] = LEDGER

    @property
    def dead(self) -> str:
        """The Region that is lost for good; "" is none."""
        return self.weather.dead

    @dead.setter
    def dead(self, region: str) -> None:
        self.weather.dead = region
        self.alive = [peer for peer in REGIONS if peer != region]

    @property
    def payments(self) -> list[str]:
        return sorted({intent.id for intent in self.judge.submitted.values()})

    def play(self) -> Judge:
        self.adversary()
        self.heal()
        return self.judged()

    def judged(self) -> Judge:
        """What is left, judged."""
        self.judge.verdict(self.world, self.payments, self.alive)
        for fields, reason in self.traffic.letters:
            payment = fields["transaction"]["id"]
            letter = (payment, fields["hash"], reason)
            self.judge.dead_letter(self.world, letter, self.alive, public=payment in self.public)
        return self.judge

    # --- while it storms

    def adversary(self) -> None:
        """Post everything at once, in the worst of conditions."""
        dice, network, harsh = self.dice, self.network, self.options.harsh
        network.loss, network.kill = dice.pick((0.0, 0.05, 0.2)), dice.pick((0.0, 0.01, 0.05))
        if harsh:
            network.loss, network.kill = 0.2, 0.05
        network.sleep = dice.pick((0.0, 0.01))
        network.habit = dice.pick((None, None, None, Fate.AGAIN_LATER, Fate.REPLY_LOST)) or self.options.habit
        if dice.chance(0.5):
            apart = self.weather.apart
            self.world.skew = {region: dice.between(-apart, apart) for region in REGIONS}
        numbers = range(1 + dice.below(4))
        for number in numbers:
            for _ in range(dice.pick((1, 1, 1, 2, 3))):
                variant = dice.chance(self.options.clash) + dice.chance(self.options.clash / 3)
                self.traffic.client(intent(number, variant), 3)
        if harsh or dice.chance(0.2):
            network.darken(dice.pick(REGIONS))
        self.storm([f"p{number}" for number in numbers])

    def storm(self, payments: list[str]) -> None:
        """Until all have ended, or gone to sleep."""
        dice, network, world = self.dice, self.network, self.world
        lag, pace = dice.pick((0.5, 0.05, 0.005)), dice.pick((0.1, 1.0, 10.0))
        fatal = dice.between(5, 60 * len(payments)) if dice.chance(self.options.dead) else STEPS
        wipe = dice.between(5, 60 * len(payments)) if self.options.amnesia else STEPS
        saved, victim = (dice.between(0, wipe), dice.pick(REGIONS)) if self.options.amnesia else (STEPS, "")
        draw, calm, turns = dice.draw, 1 - WEATHER, (fatal, saved, wipe)
        for count in range(STEPS):
            if not network.live:
                return
            world.time += pace
            if draw() >= calm:
                self.weather.change(payments)
            if count in turns:
                if count == fatal:
                    self.lose(dice.pick(REGIONS))
                if count == saved and dice.chance(0.5):
                    self.operators.back_up(victim)
                if count == wipe:
                    self.operators.forget(victim, dark=self.options.amnesia == "rejoined")
            # A worker does a request; now and then something replicates, or arrives late.
            if world.mail and draw() >= 1 - lag:
                network.deliver()
            if network.late:
                network.arrive_at_last(world.time)
                if network.late and draw() >= 1 - LATENESS:
                    network.arrive_late()
            if live := network.live:
                network.step(int(draw() * len(live)) if len(live) > 1 else 0)
            if world.started or world.events:
                self.traffic.go_on()

    def lose(self, region: str) -> None:
        """A Region is lost for good."""
        self.dead = region
        self.weather.all_clear()

    # --- when it is over

    def heal(self) -> None:
        """Everything that lives heals; janitors of all Regions run side by side; then the sleepers wake and what was
        long on its way arrives; then again; then the operator closes what is parked."""
        network, world, traffic = self.network, self.world, self.traffic
        network.loss = network.kill = network.sleep = self.rail.unsent = 0.0
        self.weather.all_clear()
        traffic.calm = True
        if self.options.rail == "mixed":  # the deployment ends, or is rolled back
            world.rails = dict.fromkeys(REGIONS, self.dice.pick((PROCESSOR, LEDGER)))
        world.skew = dict.fromkeys(REGIONS, 0)
        network.live = [worker for worker in network.live if worker.region != self.dead]
        sleepers, network.sleepers = [w for w in network.sleepers if w.region != self.dead], []
        stragglers, network.late = network.late, []
        self.quiet()
        if network.barred:
            self.rejoin()
        network.live += sleepers
        network.late += [late for late in stragglers if late.region != self.dead]
        self.quiet()
        self.redrive(2)
        if self.dead:
            self.reconcile()
            self.quiet()
        self.close()
        self.redrive(1)

    def redrive(self, times: int) -> None:
        """All dead letters."""
        for _ in range(times):
            if not self.traffic.letters:
                return
            self.public = {payment for payment in self.payments if self.ended(payment)}
            self.traffic.redrive()
            self.quiet()

    def rejoin(self) -> None:
        """The operator brings the emptied register back, once both others answer. Only a payment with two results may
        be in the way, until it is closed."""
        if self.dead:
            self.dead = ""
            self.weather.all_clear()
            self.quiet()
        for sweep in range(SWEEPS):
            self.operators.rejoin()
            self.run_dry()
            if not self.network.barred:
                self.quiet()
                return
            if sweep:
                self.resolve([payment for payment in self.payments if not self.ended(payment)])
        self.judge.accuse("unclosable", "", f"rejoin of {self.network.barred}")
        (self.dead,) = self.network.barred
        self.network.darken(self.dead)

    def close(self) -> None:
        """The operator closes what is parked; what waits for the lost Region, once that has been brought back."""
        parked = self.examine()
        waiting = self.resolve(parked)
        if waiting and self.dead:
            lost, self.dead = self.dead, ""
            self.weather.all_clear()
            self.rebuild(lost)
            self.rejoin()
            waiting = self.resolve([payment for payment in waiting if not self.ended(payment)])
        for payment, says in waiting.items():
            self.judge.accuse("unclosable", payment, says)
        if parked:
            self.quiet()

    def examine(self) -> list[str]:
        """What is parked, each with a reason, and known to production as such."""
        left = [payment for payment in self.held() if not self.ended(payment)]
        unlisted = left
        for _ in range(PATIENCE):  # until clocks that were wrong have been caught up with
            says = {payment: self.unlisted(payment) for payment in unlisted}
            unlisted = [payment for payment in unlisted if says[payment]]
            if not unlisted:
                break
            self.world.time += 300
            self.quiet()
            unlisted = [payment for payment in unlisted if not self.ended(payment)]
        for payment in unlisted:
            self.judge.accuse("unlisted", payment, says[payment])
        parked = [payment for payment in left if not self.ended(payment)]
        for payment in parked:
            why = self.parked.reason(payment, self.alive)
            if why:
                self.judge.counts[why] += 1
            elif payment not in unlisted:
                self.judge.accuse("idle", payment, [self.world.cells[region].get(payment) for region in self.alive])
        return parked

    def unlisted(self, payment: str) -> str:
        """What a living Region says of a payment that it does not list as parked."""
        return next(filter(None, (self.parked.listed(payment, region) for region in self.alive)), "")

    def resolve(self, payments: Iterable[str]) -> dict[str, str]:
        """`payctl resolve` for each: what it says where it does not close it."""
        says = {payment: self.parked.close(payment, self.alive, self.why(payment)) for payment in payments}
        return {payment: text for payment, text in says.items() if text}

    def why(self, payment: str) -> str:
        return self.parked.reason(payment, self.alive)

    def rebuild(self, lost: str) -> None:
        """A lost Region comes back with an empty register; replica and bucket are copied from the others."""
        world, peer = self.world, self.alive[0] if self.alive[0] != lost else self.alive[1]
        world.cells[lost] = {}
        world.replicas[lost] = dict(world.replicas[peer])
        world.buckets[lost] = {path: list(bodies) for path, bodies in world.buckets[peer].items()}
        self.operators.backup = {}
        self.operators.forget(lost, dark=True)

    def quiet(self) -> None:
        """Sweeps, each when the next cell is due, until nothing is due that may not rest."""
        world, sweeps = self.world, 0
        for _ in range(SWEEPS):
            overdue = False
            for region in self.alive:
                for payment, cell in list(world.cells[region].items()):
                    if "due_at" in cell and int(cell["due_at"]) <= world.time and swept(cell, self.options):
                        overdue = True
                        self.parked.looked.setdefault(payment, world.time)
                        self.traffic.janitor(region, payment)
            sweeps += overdue
            self.sweeps = max(self.sweeps, sweeps)
            self.run_dry()
            due = [moment for payment, moment in self.due() if not self.rests(payment)]
            if not due:
                break
            world.time = max(world.time, *due)

    def run_dry(self) -> None:
        world, network, traffic, draw, dead = self.world, self.network, self.traffic, self.dice.draw, self.dead
        while True:
            live, mail = network.live, world.mail
            if not (live or mail or network.late or world.started or world.events):
                return
            world.time += 0.1
            if world.started or world.events:
                traffic.go_on()
            if network.late:
                network.arrive_late(all_of_them=True)
            if mail and (not live or draw() >= 0.7):
                if dead:
                    mail[:] = [letter for letter in mail if dead not in (letter.source, letter.target)]
                if mail:
                    network.deliver()
            if live := network.live:
                network.step(int(draw() * len(live)) if len(live) > 1 else 0)

    def held(self) -> list[str]:
        """The payments of which a cell of a living Region knows."""
        return sorted({payment for region in self.alive for payment in self.world.cells[region]})

    def due(self) -> list[tuple[str, int]]:
        """What a cell of a living Region still asks for, and when."""
        cells = self.world.cells
        return [
            (payment, int(cell["due_at"]))
            for region in self.alive
            for payment, cell in cells[region].items()
            if "due_at" in cell
        ]

    def ended(self, payment: str) -> bool:
        return any(self.world.record(region, payment).get("Status") in ENDS for region in self.alive)

    def rests(self, payment: str) -> bool:
        return not self.ended(payment) and bool(self.why(payment))

    def reconcile(self) -> None:
        """`payctl reconcile`: copies what the lost Region had sent to one of the others only."""
        world = self.world
        for payment in self.payments:
            known = next((record for region in self.alive if (record := world.record(region, payment))), None)
            path = f"receipts/{payment}.json"
            body = next(
                (world.buckets[region][path][0] for region in self.alive if path in world.buckets[region]), None
            )
            for region in self.alive:
                if known:
                    world.perform(region, publish(*read_record(known)))
                if body:
                    world.perform(region, WriteReceipt(path, body))


def swept(cell: Item, options: Options) -> bool:
    """Whether janitors look at a cell's shard."""
    return not options.unswept or cell["due_shard"] != options.unswept


def play(seed: int, options: Options | None = None, trace: Callable[[str], None] | None = None) -> Judge:
    """The run of a seed. Without options they are drawn from the seed as well."""
    dice = Dice(random.Random(seed).random)
    run = Run(dice, options or drawn(dice), trace)
    try:
        return run.play()
    except Exception as error:  # noqa: BLE001  # whatever production raises is a finding like any other
        where = traceback.extract_tb(error.__traceback__)[-1]
        run.judge.accuse("crashed", "", f"{error!r} in {where.name}, {where.filename}:{where.lineno}")
        return run.judge
    finally:
        run.world.contexts.clear()  # they refer to their world: a run leaves no work for the garbage collector
