"""What changes while a run goes on: Regions, links, services, clocks, secrets and processes come and go, and operators
do things."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from payctl.environment import Environment
from payctl.payments import rejoin
from payctl.payments.registers import Registers
from tests.handlers.services import PROCESSOR
from tests.simulation.world import REGIONS, Item

if TYPE_CHECKING:
    from tests.handlers.scenario import Run


class Weather:
    """`change` does one thing to a Region or a payment. `dead`: the Region that never comes back; `deploying`: the rail
    changes Region by Region."""

    def __init__(self, run: "Run") -> None:
        self.loop, self.world, self.network, self.fleet, self.clients = (
            run.loop,
            run.world,
            run.network,
            run.fleet,
            run.clients,
        )
        self.operator, self.operators, self.services, self.judge, self.dice = (
            run.operator,
            run.operators,
            run.services,
            run.judge,
            run.dice,
        )
        self.dead = ""
        self.deploying = False
        self.lost = ""
        """The Region whose register has lost its memory and has not been taught yet."""
        self.rejoining = False
        self.kill = 0.0
        self.secrets = 1

    def change(self, payment: str) -> None:
        self.judge.changes += 1
        event = self.dice.pick(EVENTS)
        if self.network.trace:
            self.network.trace(f"{self.loop.now:9.3f} --- {event.__name__}")
        event(self, self.dice.pick(REGIONS), payment)

    def nothing(self, _region: str, _payment: str) -> None:
        pass

    def all_clear(self, _region: str = "", _payment: str = "") -> None:
        self.network.heal()
        self.fleet.away.clear()
        if self.dead:
            self.darken(self.dead)

    def darken(self, region: str) -> None:
        self.network.dark.add(region)
        self.fleet.stop(region)

    def region_dark(self, region: str, _: str) -> None:
        self.darken(region)

    def link_cut(self, region: str, _: str) -> None:
        self.network.cuts.add(frozenset((region, self.dice.pick([peer for peer in REGIONS if peer != region]))))

    def region_isolated(self, region: str, _: str) -> None:
        self.network.isolate(region)

    def service_down(self, region: str, _: str) -> None:
        self.network.down.add((self.dice.pick(("cell", "public", "bucket", "bus", "secrets", "control")), region))

    def buckets_down(self, _region: str, _payment: str) -> None:
        self.network.down |= {("bucket", region) for region in REGIONS}

    def functions_down(self, region: str, _: str) -> None:
        self.fleet.stop(region)

    def look(self, region: str, payment: str) -> None:
        self.clients.get(region, payment)

    def clock_set(self, region: str, _: str) -> None:
        """A little wrong; or so wrong that AWS refuses its signatures."""
        self.world.skew[region] = self.dice.pick((0, 1, 1, 1, 20)) * self.dice.between(-180, 180)

    def death(self, _region: str, _payment: str) -> None:
        if self.fleet.running and self.kill:
            self.fleet.kill(self.dice.pick(self.fleet.running))

    def standstill(self, _region: str, _payment: str) -> None:
        """A process stands still, for seconds or for longer than anybody waits."""
        if self.fleet.running and self.kill:
            self.fleet.hold(self.dice.pick(self.fleet.running), self.dice.pick((1, 5, 20, 100)))

    def ruling(self, _region: str, payment: str) -> None:
        """Rightly or wrongly."""
        by = f"operator{self.operator.count}"
        honest = self.dice.chance(0.5)
        ruling = (self.operators.honest if honest else self.operators.wrong)(payment, by=by)
        self.operator.start(lambda environment: Registers(environment).resolve(payment, ruling))

    def redrive(self, _region: str, _payment: str) -> None:
        self.clients.redrive()

    def secret_changed(self, _region: str, _payment: str) -> None:
        """The processor takes another secret from now on; each Region's copy follows."""
        self.secrets += 1
        self.services.secret = f"secret-{self.secrets}"
        for region in REGIONS:
            self.loop.after(self.dice.draw() * 20, self._copy, region)

    def _copy(self, region: str) -> None:
        """The secret as it is by then: a copy never brings back an older one."""
        self.services.secrets[region] = self.services.secret

    def deployment(self, region: str, _: str) -> None:
        """A Region is set up for the processor, or for the ledger."""
        if self.deploying:
            self.world.rails[region] = self.dice.pick((PROCESSOR, "ledger"))
            self.fleet.renew(region)

    # --- registers

    def bar_for_nothing(self, region: str) -> None:
        """An operator bars a register that has lost nothing. A bar that is refused is taken back."""

        def end(outcome: Any) -> None:
            if isinstance(outcome, float):
                self.lost = region
                self.services.barred = (region, self.world.time)
                self.loop.after(30, self.rejoin)
            else:
                self.operator.start(lambda environment: withdraw(environment, region))

        self.operator.start(lambda environment: bar(environment, region), end)

    def forget(self, region: str, backup: dict[str, Item]) -> None:
        """The table of a Region is another one now: what a backup held, or nothing."""
        self.judge.changes += 1
        self.services.tables[region] = f"table-{self.loop.now:.0f}-{region}"
        self.world.cells[region] = dict(backup)
        for key in [key for key in self.services.previous if key[0] == region]:
            del self.services.previous[key]
        if self.network.trace:
            self.network.trace(f"{self.loop.now:9.3f} --- the register of {region} holds {len(backup)} items")

    def lose_register(self, region: str) -> None:
        """The table is deleted; an empty one takes its place a while later."""
        self.judge.changes += 1
        self.lost = region
        self.world.cells[region] = {}
        self.services.tables[region] = ""
        self.loop.after(30 + self.dice.draw() * 100, self.forget, region, {})
        self.loop.after(60 + self.dice.draw() * 100, self.rejoin)

    def replace_register(self, region: str, backup: dict[str, Item]) -> None:
        """The table is replaced on purpose, by an older backup of itself, once it is barred."""

        def end(outcome: Any) -> None:
            if not isinstance(outcome, float):
                if not self.dead:  # else it is put off until the other Region is back
                    self.loop.after(30, self.replace_register, region, backup)
                return
            self.lost = region
            self.services.barred = (region, self.world.time)
            self.loop.after(61, self.forget, region, backup)
            self.loop.after(61 + self.dice.draw() * 100, self.rejoin)
            if self.dice.chance(0.7):  # one of those that know
                peer = self.dice.pick([peer for peer in REGIONS if peer != region])
                self.loop.after(62 + self.dice.draw() * 60, self.darken, peer)
                self.loop.after(200 + self.dice.draw() * 100, self.all_clear)

        self.operator.start(lambda environment: bar(environment, region), end)

    def rejoin(self) -> None:
        """`payctl rejoin`, and again until it has taught everything."""
        if not self.lost or self.rejoining:
            return
        self.rejoining, region = True, self.lost

        def end(outcome: Any) -> None:
            self.rejoining = False
            if isinstance(outcome, Exception) or outcome.refused:
                if self.network.trace:
                    self.network.trace(f"{self.loop.now:9.3f} rejoin: {outcome}")
                self.loop.after(60, self.rejoin)
            else:
                self.lost = ""

        self.operator.start(lambda environment: rejoin.rejoin(environment, region), end)


def bar(environment: Environment, region: str) -> float:
    """The first step of `payctl rejoin REGION`."""
    return Registers(environment).bar(region)


def withdraw(environment: Environment, region: str) -> str:
    """`payctl rejoin REGION --withdraw`."""
    return Registers(environment).remove_stray_bar(region)


EVENTS: tuple[Callable[[Weather, str, str], None], ...] = (
    *(Weather.nothing,) * 2,  # the first is the harmless one
    *(Weather.all_clear,) * 4,
    *(Weather.look,) * 3,
    *(Weather.death,) * 3,
    *(Weather.standstill,) * 2,
    Weather.region_dark,
    Weather.link_cut,
    Weather.region_isolated,
    *(Weather.service_down,) * 2,
    Weather.buckets_down,
    Weather.functions_down,
    Weather.clock_set,
    *(Weather.ruling,) * 2,
    Weather.redrive,
    Weather.secret_changed,
    Weather.deployment,
)
