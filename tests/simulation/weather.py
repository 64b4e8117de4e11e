"""What changes while a run goes on: Regions, links, services and clocks come and go, and people do things."""

from collections.abc import Callable, Sequence

from payments.protocol.ports import LEDGER

from tests.simulation.dice import Dice
from tests.simulation.network import Network
from tests.simulation.operators import Operators
from tests.simulation.traffic import Traffic
from tests.simulation.world import REGIONS, World

HOUR = 3600
PROCESSOR = "https://processor.example"


class Weather:
    """`change` does one thing to a Region or a payment. `apart`: how many seconds the clocks may be off. `dead`: the
    Region that never comes back, "" is none."""

    def __init__(self, world: World, network: Network, traffic: Traffic, operators: Operators, dice: Dice):
        self.world, self.network, self.traffic, self.operators, self.dice = world, network, traffic, operators, dice
        self.apart = HOUR
        self.dead = ""
        self.deploying = False

    def change(self, payments: Sequence[str]) -> None:
        if self.network.barred and self.dice.chance(0.3):
            self.operators.rejoin()
        self.dice.pick(EVENTS)(self, self.dice.pick(REGIONS), self.dice.pick(payments))

    def janitor(self, region: str, payment: str) -> None:
        self.traffic.janitor(region, payment)

    def all_clear(self, _region: str = "", _payment: str = "") -> None:
        self.network.heal()
        if self.dead:
            self.network.darken(self.dead)

    def region_dark(self, region: str, _: str) -> None:
        self.network.darken(region)

    def link_cut(self, region: str, _: str) -> None:
        self.network.cuts.add(frozenset((region, self.dice.pick([peer for peer in REGIONS if peer != region]))))

    def region_isolated(self, region: str, _: str) -> None:
        self.network.isolate(region)

    def service_down(self, region: str, _: str) -> None:
        self.network.down.add((self.dice.pick(("cell", "bucket", "public")), region))

    def look(self, region: str, payment: str) -> None:
        self.traffic.get(region, payment)

    def clock_set(self, region: str, _: str) -> None:
        """Forwards or backwards."""
        self.world.skew[region] = self.dice.between(-self.apart, self.apart)

    def time_passes(self, _region: str, _payment: str) -> None:
        self.network.pass_time(self.dice.pick((60, 600, HOUR, 13 * HOUR, 25 * HOUR)))

    def functions_down(self, region: str, _: str) -> None:
        self.network.stop_functions(region)

    def ruling(self, region: str, payment: str) -> None:
        self.operators.resolve(region, payment, honest=self.dice.chance(0.5))

    def rulings(self, region: str, payment: str) -> None:
        """Two operators at once, who need not agree; or one who asks the processor on the telephone."""
        if self.dice.chance(0.3):
            self.operators.telephone(region, payment)
            return
        self.ruling(region, payment)
        self.ruling(self.dice.pick(REGIONS), payment)

    def redrive(self, _region: str, _payment: str) -> None:
        self.traffic.redrive()

    def deployment_or_waking(self, region: str, _: str) -> None:
        if self.deploying:
            self.world.rails[region] = self.dice.pick((PROCESSOR, LEDGER))
        else:
            self.network.wake()


EVENTS: tuple[Callable[[Weather, str, str], None], ...] = (
    *(Weather.janitor,) * 6,  # the first is the harmless one
    *(Weather.all_clear,) * 2,
    Weather.region_dark,
    Weather.link_cut,
    Weather.region_isolated,
    Weather.service_down,
    Weather.look,
    Weather.clock_set,
    Weather.time_passes,
    Weather.functions_down,
    Weather.ruling,
    Weather.rulings,
    Weather.redrive,
    Weather.deployment_or_waking,
)
