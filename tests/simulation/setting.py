"""Everything that takes part in a run, and how it comes to rest."""

from collections.abc import Callable

from payments.protocol.ports import LEDGER

from tests.simulation.dice import Dice
from tests.simulation.judge import ENDS, Judge
from tests.simulation.network import Network
from tests.simulation.operators import Operators
from tests.simulation.options import Options
from tests.simulation.parked import Parked
from tests.simulation.rail import Rail
from tests.simulation.traffic import Traffic
from tests.simulation.weather import HOUR, PROCESSOR, Weather
from tests.simulation.world import REGIONS, Item, World

FUNCTION = 900
"""Seconds after which a function is ended (Timeout in templates/regional.json)."""
SWEEPS = 25


class Setting:
    """A world with its network, clients, operators, weather and judge."""

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

    def why(self, payment: str) -> str:
        return self.parked.reason(payment, self.alive)


def swept(cell: Item, options: Options) -> bool:
    """Whether janitors look at a cell's shard."""
    return not options.unswept or cell["due_shard"] != options.unswept
