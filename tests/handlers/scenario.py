"""One run: an adversary for some minutes, then everything heals except a Region lost for good, then the operator closes
what is parked, then the judge examines what is left."""

import random
import traceback
from collections.abc import Callable
from functools import partial

from payments.members import LOOK_SECONDS
from payments.protocol.ports import LEDGER, REGISTER

from payctl.payments import membership
from tests.handlers.clients import Clients
from tests.handlers.fleet import Fleet
from tests.handlers.install import installed
from tests.handlers.judge import LOG_KEY, HandlersJudge
from tests.handlers.loop import Loop
from tests.handlers.network import Network
from tests.handlers.operator import Operator
from tests.handlers.parked import Closing
from tests.handlers.services import PROCESSOR, Services
from tests.handlers.stripe import Stripe
from tests.handlers.weather import Weather, withdraw
from tests.handlers.wire import MISFORTUNES, Socket
from tests.simulation.dice import Dice
from tests.simulation.operators import Operators, reconcile
from tests.simulation.options import Options
from tests.simulation.options import drawn as flows_mix
from tests.simulation.rail import Rail
from tests.simulation.traffic import intent
from tests.simulation.world import EPOCH as START
from tests.simulation.world import REGIONS, World

PAYMENTS = 60
"""At most, in a run."""
SWEEPS = 25
ENOUGH = 4
"""Sweeps after which a run that has failed already is not played on."""
LONG = 5000.0
PACE = 1.0
"""Seconds between two looks at what replicates."""


class Run:
    """The whole of one run."""

    def __init__(
        self, dice: Dice, options: Options, trace: Callable[[str], None] | None = None, most: int = PAYMENTS
    ) -> None:
        self.dice, self.options, self.most = dice, options, most
        Socket.numbers = 0
        self.loop = Loop()
        self.judge = judge = HandlersJudge()
        self.rail = (Stripe if options.announces else Rail)(dice, judge.charged, options)
        self.world = world = SimulatedWorld(dice, self.rail, judge)
        world.loop = self.loop
        self.services = judge.services = Services(world, dice)
        self.network = judge.network = Network(self.loop, world, self.services, dice)
        self.network.watch = judge.asks
        self.network.trace, self.network.ballots = trace, options.ballots
        self.fleet = Fleet(self.loop, world, self.network, dice)
        self.clients = Clients(self.loop, world, self.fleet, judge, dice)
        self.services.invoked = self.clients.help
        self.operator = Operator(self.loop, world, self.network, judge)
        self.operators = Operators(world, None, judge, dice)  # type: ignore[arg-type]  # only what they say is asked
        self.weather = Weather(self)
        self.closing = Closing(self)
        self.storms = True
        self.lag = 1.0
        self.public: set[str] = set()
        if options.rail != "ledger":
            world.rails = dict.fromkeys(REGIONS, PROCESSOR)
        if options.rail == "mixed":
            world.rails[dice.pick(REGIONS)] = LEDGER
            self.weather.deploying = True
        for region in REGIONS:
            about = {"TransactionId": REGISTER, "serves": region, "table_id": self.services.tables[region]}
            world.cells[region][REGISTER] = {**about, "log_key": LOG_KEY}

    @property
    def alive(self) -> list[str]:
        return [region for region in REGIONS if region != self.weather.dead]

    @property
    def payments(self) -> list[str]:
        return sorted({intent.id for intent in self.judge.submitted.values()})

    def play(self) -> HandlersJudge:
        self.storm()
        self.heal()
        self.judge.verdict(self.world, self.payments, self.alive)
        for fields, reason in self.clients.letters:
            payment = fields["transactionId"]
            letter = (payment, fields["hash"], reason)
            self.judge.dead_letter(self.world, letter, self.alive, public=payment in self.public)
        self.crashed()
        return self.judge

    def crashed(self) -> None:
        for error in self.loop.crashes:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.judge.accuse("crashed", "", f"{error!r} in {where.name}, {where.filename}:{where.lineno}")

    # --- while it storms

    def storm(self) -> None:
        dice, loop, network = self.dice, self.loop, self.network
        network.loss = 0.2 if self.options.harsh else dice.pick((0.0, 0.03, 0.1, 0.2))
        network.habit = dice.pick((None, None, *MISFORTUNES))
        self.weather.kill = dice.pick((0.0, 1.0))
        self.lag = dice.pick((1.0, 0.3, 0.03))
        if dice.chance(0.3):
            network.world.skew = {region: dice.between(-200, 200) for region in REGIONS}
        count = self.most // 2 + dice.below(self.most // 2 + 1)
        lasts = 1300.0 if self.options.amnesia else dice.pick((60.0, 180.0, 300.0))
        for number in range(count):
            loop.at(dice.draw() * lasts * 0.9, self.submit, number)
        for moment in range(int(lasts) // 8):
            loop.at(8 * (moment + dice.draw()), self.change)
        for turn, region in enumerate(REGIONS):
            for minute in range(int(lasts) // 60):
                loop.at(60 * minute + 20 * turn + 5, self.minute, region)
        if dice.chance(self.options.dead):
            loop.at(dice.draw() * lasts, self.lose, dice.pick(REGIONS))
        if self.options.amnesia:
            self.amnesia(dice.pick(REGIONS))
        self.tick()
        loop.run(lasts)

    def amnesia(self, victim: str) -> None:
        """A register loses its memory: at once, or on purpose, in order."""
        loop, dice, weather = self.loop, self.dice, self.weather
        if self.options.amnesia != "replaced" and dice.chance(0.6):
            happens = dice.pick((weather.lose_register, weather.lose_register, weather.bar_for_nothing))
            loop.at(30 + dice.draw() * 200, happens, victim)
            return
        backup = dice.draw() * 100
        planned = backup + dice.draw() * 60

        def back_up() -> None:
            held = dict(self.world.cells[victim])
            loop.at(max(loop.now, planned), weather.replace_register, victim, held)

        loop.at(backup, back_up)

    def submit(self, number: int) -> None:
        """A payment, by one client or by several at once."""
        dice, clash = self.dice, self.options.clash
        if self.options.announces:  # what Stripe can take: with a source, in an amount that it counts
            number = 6 * number + 4 * (number % 2)
        for _ in range(dice.pick((1, 1, 1, 2, 3))):
            variant = dice.chance(clash) + dice.chance(clash / 3)
            self.loop.after(dice.draw() * dice.pick((0.1, 1.0)), self.clients.post, intent(number, variant), 3)
        if dice.chance(0.4):
            self.loop.after(dice.draw() * dice.pick((1, 4)), self.clients.get, dice.pick(REGIONS), f"p{number}")
        if self.options.rail != "ledger" and dice.chance(0.1 if self.options.cancels else 0.4):  # without patience
            self.loop.after(1 + dice.draw() * 30, self.weather.ruling, "", f"p{number}")

    def change(self) -> None:
        payments = self.payments
        if payments and self.storms:
            self.weather.change(self.dice.pick(payments[-12:]))

    def minute(self, region: str) -> None:
        if self.storms:
            self.clients.janitor(region)

    def lose(self, region: str) -> None:
        """A Region is lost: for good, unless a register has lost its memory too, for nobody else could teach that."""
        self.judge.changes += 1
        self.weather.dead = region
        self.weather.all_clear()

    def tick(self) -> None:
        """What replicates arrives now and then, and what was asked of workflow and bus is done."""
        world, dice = self.world, self.dice
        if world.started or world.events:
            self.clients.go_on()
        for _ in range(len(world.mail)):
            if dice.chance(self.lag):
                self.deliver()
        self.loop.after(PACE, self.tick)

    def deliver(self) -> None:
        """One replicated change arrives, unless its way is cut."""
        world, network = self.world, self.network
        index = self.dice.below(len(world.mail))
        letter = world.mail[index]
        away = {(letter.service, letter.source), (letter.service, letter.target)} & network.down
        if away or not network.reachable(letter.source, letter.target):
            return
        world.mail[index] = world.mail[-1]
        world.mail.pop()
        world.deliver(letter)

    # --- when it is over

    def heal(self) -> None:
        """Everything that lives heals; the janitors of all Regions run until nothing moves; then the operator does what
        there is to do."""
        world, network = self.world, self.network
        self.storms = False
        self.judge.changes += 1
        network.loss = self.rail.unsent = self.weather.kill = 0.0
        self.lag = 1.0
        self.clients.calm = True
        if self.options.rail == "mixed":  # the deployment ends, or is rolled back
            world.rails = dict.fromkeys(REGIONS, self.dice.pick((PROCESSOR, LEDGER)))
            for region in REGIONS:
                self.fleet.renew(region)
        world.skew = dict.fromkeys(REGIONS, 0)
        self.weather.all_clear()
        self.settle()
        self.finish_rejoin()
        self.quiet()
        self.redrive(2)
        if self.weather.dead:
            reconcile(self.world, self.payments, self.alive)
            self.quiet()
        self.closing.close_all()
        self.redrive(1)

    def finish_rejoin(self) -> None:
        """The operator brings a register back that lost its memory, once both others answer."""
        weather = self.weather
        if weather.lost and weather.dead:
            self.judge.counts["regained"] += 1
            weather.dead = ""
            weather.all_clear()
            self.settle()
        if self.rejoined():
            self.settle()
            self.withdraw_bars()

    def rejoined(self) -> bool:
        """Whether `payctl rejoin`, repeated, brings the lost register back."""
        for _ in range(10):
            if not self.weather.lost:
                return True
            self.weather.rejoin()
            self.loop.run(self.loop.now + 1200, lambda: not self.weather.lost)
        self.judge.accuse("unclosable", "", f"rejoin of {self.weather.lost}")
        return False

    def withdraw_bars(self) -> None:
        """A bar that arrived late is shown by `payctl status`, and taken back; a whole one, which its operator took for
        refused, ends with a rejoin."""
        about = [self.world.cells[region].get(REGISTER, {}) for region in self.alive]
        for barred in sorted({str(cell["lost"]) for cell in about if "lost" in cell}):
            shown = self.operator.wait_for(membership.idle)
            if isinstance(shown, dict) and shown.get(barred) == membership.BARRED:
                self.weather.lost = barred
                if self.rejoined():
                    self.settle()
                continue
            if not isinstance(shown, dict) or shown.get(barred) != membership.STRAY:
                self.judge.accuse("unlisted", "", f"the bar of {barred}: {shown}")
            says = self.operator.wait_for(partial(withdraw, region=barred))
            if not isinstance(says, str):
                self.judge.accuse("unclosable", "", f"the bar of {barred}: {says}")
            self.loop.run(self.loop.now + LOOK_SECONDS)

    def redrive(self, times: int) -> None:
        """All dead letters."""
        for _ in range(times):
            self.public = {payment for payment in self.payments if self.ended(payment)}
            if not self.clients.letters:
                return
            self.clients.redrive()
            self.quiet()

    def quiet(self) -> None:
        """Runs of the janitors, each when the next cell is due, until nothing is due that may not rest."""
        loop, world = self.loop, self.world
        for sweep in range(SWEEPS):
            if sweep > ENOUGH and self.judge.violations:
                return
            due = self.due()
            regions = {region for region, _, moment in due if moment <= world.time}
            for _, payment, moment in due:
                if moment <= world.time:
                    self.closing.looked.setdefault(payment, world.time)
            for region in sorted(regions):
                self.clients.janitor(region)
            self.settle()
            moments = [moment for _, payment, moment in self.due() if not self.rests(payment)]
            if not moments:
                return
            loop.run(loop.now + max(0.0, max(moments) - world.time) + 1)
        self.judge.accuse("stuck", "", f"the janitors never rest: {self.due()}")

    def settle(self) -> None:
        """Until nothing is under way."""
        self.loop.run(self.loop.now + LONG, self.idle)
        if not self.idle():
            self.judge.accuse("crashed", "", "something never ends")

    def idle(self) -> bool:
        world = self.world
        return not (
            self.fleet.running
            or self.clients.busy
            or self.network.late
            or world.started
            or world.events
            or self.moving_mail()
            or (self.operator.busy and not self.weather.rejoining)
        )

    def moving_mail(self) -> bool:
        dead, lost = self.weather.dead, self.weather.lost
        moving = [one for one in self.world.mail if dead not in (one.source, one.target)]
        if not lost:  # else the dead Region comes back
            self.world.mail = moving
        return bool(moving)

    def due(self) -> list[tuple[str, str, int]]:
        """What a cell of a living Region still asks for, and when."""
        cells = [(region, *each) for region in self.alive for each in self.world.cells[region].items()]
        return [(region, payment, int(cell["due_at"])) for region, payment, cell in cells if "due_at" in cell]

    def ended(self, payment: str) -> bool:
        return any(self.judge.ends(self.world, payment, self.alive))

    def rests(self, payment: str) -> bool:
        return not self.ended(payment) and bool(self.closing.reason(payment, self.alive))


class SimulatedWorld(World):
    """A world whose time is the loop's."""

    loop: Loop

    @property
    def time(self) -> float:
        return START + self.loop.now

    @time.setter
    def time(self, moment: float) -> None:
        if moment != START:
            self.loop.run(moment - START)


def drawn(dice: Dice) -> Options:
    """The mix of a campaign."""
    options = flows_mix(dice)._replace(clash=dice.pick((0.1, 0.0, 0.3)))
    return options._replace(deduplicates=True, cancels=True) if options.announces else options


def play(
    seed: int, options: Options | None = None, trace: Callable[[str], None] | None = None, *, most: int = PAYMENTS
) -> HandlersJudge:
    """The run of a seed. Without options they are drawn from the seed as well. `most`: how many payments."""
    dice = Dice(random.Random(seed).random)
    with installed(seed):
        run = Run(dice, options or drawn(dice), trace, most)
        try:
            return run.play()
        except Exception as error:  # noqa: BLE001  # whatever production raises is a finding like any other
            where = traceback.extract_tb(error.__traceback__)[-1]
            run.judge.accuse("crashed", "", f"{error!r} in {where.name}, {where.filename}:{where.lineno}")
            run.crashed()
            return run.judge
