"""The operator at the end of a run: what `payctl parked` lists, what GET says of it, and `payctl resolve`."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from payments.protocol.operations import Ruling
from payments.protocol.rejoining import Done, Why
from payments.protocol.values import IN_DOUBT, payment_of

from payctl.environment import Environment
from payctl.payments.due import standings as due
from payctl.payments.registers import Registers
from tests.simulation.parked import TRIES, Parked
from tests.simulation.world import REGIONS

if TYPE_CHECKING:
    from tests.handlers.scenario import Run


PATIENCE = 6
"""Times five minutes, until what waits for a silent Region is known to wait."""

ASKED = 4
"""Times in a row: three in ten answers between the farthest Regions take longer than a function waits for the third."""

MANY = 10_000  # payments that are parked, and more than a run makes


class Closing(Parked):
    """Closes what is parked, by commands and handlers of production over the wire."""

    def __init__(self, run: "Run") -> None:
        super().__init__(run.world, None, run.judge, run.operators)  # type: ignore[arg-type]  # no flows here
        self.run = run

    def close_all(self) -> None:
        """What is parked is closed; what waits for the lost Region, once that has been brought back."""
        run = self.run
        parked = self.examine()
        waiting = self.resolve(parked)
        if waiting and run.weather.dead:
            self.rebuild(run.weather.dead)
            waiting = self.resolve([payment for payment in waiting if not run.ended(payment)])
        for payment, says in waiting.items():
            run.judge.accuse("unclosable", payment, says)
        if parked:
            run.quiet()

    def examine(self) -> list[str]:
        """What is parked, each with a reason, and known to production as such."""
        run, judge = self.run, self.run.judge
        left = [payment for payment in self.held() if not run.ended(payment)]
        unlisted, says = left, dict[str, str]()
        for _ in range(PATIENCE):
            if not unlisted or judge.violations:
                break
            says = self.unlisted(unlisted)
            unlisted = [payment for payment in unlisted if says[payment]]
            if unlisted:
                run.loop.run(run.loop.now + 300)
                run.quiet()
                unlisted = [payment for payment in unlisted if not run.ended(payment)]
        for payment in unlisted:
            judge.accuse("unlisted", payment, says.get(payment, "not asked"))
        parked = [payment for payment in left if not run.ended(payment)]
        for payment in parked:
            why = self.reason(payment, run.alive)
            if why:
                judge.counts[why] += 1
            elif payment not in unlisted:
                judge.accuse("idle", payment, [run.world.cells[region].get(payment) for region in run.alive])
        return parked

    def held(self) -> list[str]:
        """The payments of which a cell of a living Region knows."""
        cells = {payment for region in self.run.alive for payment in self.world.cells[region]}
        return sorted(payment for payment in cells if not payment.startswith(":"))

    def unlisted(self, payments: list[str]) -> dict[str, str]:
        """What production says of payments that it does not list as parked; "" where it does, to operators and to their
        owners in every living Region."""
        run = self.run
        standings = run.operator.wait_for(lambda environment: due.parked(Registers(environment), limit=MANY))
        listed = {} if isinstance(standings, Exception) else {one.payment: one for one in standings[0]}
        owners = {
            (payment, region): payment_of(intent).account
            for payment in payments
            if payment in listed and (intent := listed[payment].intent)
            for region in run.alive
        }
        told: dict[tuple[str, str], str] = {}
        for _ in range(ASKED):
            for (payment, region), account in owners.items():
                if told.get((payment, region)) == IN_DOUBT:
                    continue

                def hear(status: str, at: tuple[str, str] = (payment, region)) -> None:
                    told[at] = status

                run.clients.get(region, payment, account, hear)
            run.settle()
        wrong = {
            payment: f"GET in {region} says {said}" for (payment, region), said in told.items() if said != IN_DOUBT
        }
        return {
            payment: wrong.get(payment, "") if payment in listed else f"`payctl parked` does not list it: {standings}"
            for payment in payments
        }

    def resolve(self, payments: Iterable[str]) -> dict[str, str]:
        """`payctl resolve` for each: what it says where it does not close it."""
        says = {payment: self.closed(payment) for payment in payments}
        return {payment: text for payment, text in says.items() if text}

    def closed(self, payment: str) -> str:
        """The operator's command, as soon as the rules allow it. "" when it is closed, else what the command says."""
        run, why = self.run, self.reason(payment, self.run.alive)
        unchecked = False
        for _ in range(TRIES):
            ruling = self.operators.honest(payment)._replace(unchecked=unchecked)
            done: Any = run.operator.wait_for(partial(rule, payment, ruling))
            if isinstance(done, Exception):
                return f"{why}: {done!r}"
            if done.done:
                return ""
            # Gone for good: somebody asks the processor on the telephone.
            unchecked = unchecked or (done.why is Why.PROCESSOR_SILENT and why == "withdrawn")
            moment = self.again(payment, run.alive, done)
            if not moment:
                break
            run.loop.run(run.loop.now + moment - self.world.time + 1)
        return f"{why}: {done.says}"

    def rebuild(self, lost: str) -> None:
        """A lost Region comes back with an empty register; replica and bucket are copied from the others."""
        run, world = self.run, self.world
        peer = next(region for region in REGIONS if region != lost)
        run.weather.dead = ""
        world.replicas[lost] = dict(world.replicas[peer])
        world.buckets[lost] = {path: list(bodies) for path, bodies in world.buckets[peer].items()}
        run.weather.lost = lost
        run.weather.forget(lost, {})
        run.fleet.renew(lost)
        run.weather.all_clear()
        run.finish_rejoin()
        run.quiet()


def rule(payment: str, ruling: Ruling, environment: Environment) -> Done:
    """`payctl resolve`."""
    return Registers(environment).resolve(payment, ruling)
