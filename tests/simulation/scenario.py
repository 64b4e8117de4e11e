"""One run: an adversary for a while, then everything heals except a Region lost for good, then the operator closes what
is parked, then the judge examines what is left."""

import random
import traceback
from collections.abc import Callable

from tests.simulation.dice import Dice
from tests.simulation.fates import Fate
from tests.simulation.healing import Healing
from tests.simulation.judge import Judge
from tests.simulation.options import Options, drawn
from tests.simulation.traffic import by_hand, intent
from tests.simulation.world import REGIONS

STEPS = 2500
WEATHER, LATENESS = 0.08, 0.05
"""Chances that a step begins with a change of the weather, or with the arrival of what was long on its way."""


class Run(Healing):
    """The whole of one run. `play` plays it; tests play parts."""

    def play(self) -> Judge:
        self.adversary()
        self.heal()
        return self.judged()

    def judged(self) -> Judge:
        """What is left, judged."""
        self.judge.verdict(self.world, self.payments, self.alive)
        for fields, reason in self.traffic.letters:
            payment = fields["transactionId"]
            letter = (payment, fields["hash"], reason)
            self.judge.dead_letter(self.world, letter, self.alive, public=payment in self.public)
        return self.judge

    def adversary(self) -> None:
        """Post everything at once, in the worst of conditions."""
        dice, network, harsh = self.dice, self.network, self.options.harsh
        network.loss, network.kill = dice.pick((0.0, 0.05, 0.2)), dice.pick((0.0, 0.01, 0.05))
        if harsh:
            network.loss, network.kill = 0.2, 0.05
        network.sleep = dice.pick((0.0, 0.01))
        network.habit = dice.pick((None, None, None, Fate.AGAIN_LATER, Fate.REPLY_LOST))
        if dice.chance(0.5):
            apart = self.weather.apart
            self.world.skew = {region: dice.between(-apart, apart) for region in REGIONS}
        numbers = range(1 + dice.below(4))
        for number in numbers:
            for _ in range(dice.pick((1, 1, 1, 2, 3))):
                variant = dice.chance(self.options.clash) + dice.chance(self.options.clash / 3)
                self.traffic.client(intent(number, variant), 3)
                if variant < 2 and dice.chance(0.05):  # somebody starts a workflow with it, for the own account
                    self.traffic.workflow(dice.pick(REGIONS), by_hand(intent(number, variant)))
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
