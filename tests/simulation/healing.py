"""After the storm: everything heals except a Region lost for good, and the operator closes what is parked."""

from collections.abc import Iterable

from payments.protocol.ports import LEDGER

from tests.simulation.operators import reconcile
from tests.simulation.setting import SWEEPS, Setting
from tests.simulation.weather import PROCESSOR
from tests.simulation.world import REGIONS

PATIENCE = 18
"""Times five minutes: clocks that were an hour wrong, and what janitors and operators wait for besides."""


class Healing(Setting):
    """What `heal` does, step by step."""

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
            reconcile(self.world, self.payments, self.alive)
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

    def rebuild(self, lost: str) -> None:
        """A lost Region comes back with an empty register; replica and bucket are copied from the others."""
        world, peer = self.world, self.alive[0] if self.alive[0] != lost else self.alive[1]
        world.cells[lost] = {}
        world.replicas[lost] = dict(world.replicas[peer])
        world.buckets[lost] = {path: list(bodies) for path, bodies in world.buckets[peer].items()}
        self.operators.backup = {}
        self.operators.forget(lost, dark=True)
