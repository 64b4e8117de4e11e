"""Workers and what happens to their requests on the way: lost, late, doubled; and to themselves: killed, asleep."""

from math import inf
from typing import Any, TypeVar

from payments.protocol.ports import (
    LOST,
    NOT_SENT,
    Announce,
    Charge,
    Flow,
    Request,
)

from tests.simulation.dice import Dice
from tests.simulation.fates import MISFORTUNES, Aftermath, Fate
from tests.simulation.reach import Reach
from tests.simulation.traces import describe, describe_answer
from tests.simulation.workers import End, Late, Worker, unheard
from tests.simulation.world import World

OLDEST = 10 * 3600
"""Seconds that a worker may live with all its sleep. A function is ended after 900; here it may stop between any two
requests for hours, but not for half a processor's memory, which is what the re-use of a key rests on."""
WIRE = 60
"""Seconds after which a call of the processor has arrived or never will. A cell's write may come at any time."""

DELAYS = (0, 0, 0, 600, 13 * 3600)
"""Seconds that a request whose sender waits no longer may take at least."""
T = TypeVar("T")

# Looked up at every step: as names of this module they cost less.
ANSWERED, LOST_BEFORE, GOES_ON = Fate.ANSWERED, Fate.LOST_BEFORE, Aftermath.GOES_ON


class Network(Reach):
    """Moves workers, one request a step, and decides what becomes of it.

    `loss` is the chance of a request to go wrong in some way, most often that of the run's `habit`; `kill` and `sleep`
    those of a worker after a step."""

    scripted = False
    """Whether `arrival`, `fate` and `aftermath` are asked even where nothing is left to chance: a script answers."""

    def __init__(self, world: World, dice: Dice):
        super().__init__()
        self.world, self.dice = world, dice
        self.live: list[Worker] = []
        self.sleepers: list[Worker] = []
        self.late: list[Late] = []
        self.habit: Fate | None = None
        self.oldest = OLDEST
        self.closing = inf
        """When the first of the late requests can no longer arrive, or before."""
        self.loss = self.kill = self.sleep = 0.0

    # --- what is away

    def darken(self, region: str) -> None:
        """Everything in a Region is away."""
        self.down |= {(service, region) for service in ("cell", "public", "bucket", "bus")}
        self.stop_functions(region)

    def stop_functions(self, region: str) -> None:
        """The functions of a Region are away: what runs there is killed, or frozen."""
        self.down.add(("functions", region))
        stopped = [worker for worker in self.live if worker.region == region]
        self.live = [worker for worker in self.live if worker.region != region]
        for worker in stopped:
            (self.die if self.dice.chance(0.5) else self.fall_asleep)(worker)

    # --- workers

    def spawn(self, name: str, region: str, flow: Flow[Any], end: End = unheard, *, operator: bool = False) -> None:
        """Start a flow; a Region whose functions are away loses it at once."""
        if ("functions", region) in self.down:
            flow.close()
            end(None)
            return
        now = self.world.time
        worker = Worker(name, region, flow, end, began=now, oldest=now + self.oldest, operator=operator)
        if self._resume(worker, None):
            self.live.append(worker)

    def step(self, index: int) -> None:
        """One request of one worker; the worker goes from `live` when it has ended, died or fallen asleep."""
        worker = self.live[index]
        waiting = worker.waiting
        if waiting:
            at = self.arrival(worker) if self.scripted or len(waiting) > 1 else waiting.pop()
            worker.answers[at] = self._send(worker, worker.batch[at])
            if waiting and self.loss and self.dice.chance(self.loss / 4):
                self._give_up(worker)
        if self.world.time > worker.oldest:
            self.die(worker)
        elif self.scripted or self.kill or self.sleep:
            after = self.aftermath(worker)
            if after is GOES_ON:
                if worker.waiting or self._resume(worker, worker.answers):
                    return
            elif after is Aftermath.DIES:
                self.die(worker)
            else:
                self.fall_asleep(worker)
        elif worker.waiting or self._resume(worker, worker.answers):
            return
        self.live.remove(worker)

    def fall_asleep(self, worker: Worker) -> None:
        """Stopped between two steps, to go on who knows when; its client hears nothing."""
        if self.world.trace:
            self._note(worker, "falls asleep")
        self.sleepers.append(worker)
        end, worker.end = worker.end, unheard
        end(None)

    def die(self, worker: Worker) -> None:
        """Killed between two steps: what it had sent may still arrive."""
        if self.world.trace:
            self._note(worker, "is killed")
        for index in worker.waiting:
            self._perhaps_later(worker, worker.batch[index])
        worker.flow.close()
        worker.end(None)

    def wake(self) -> None:
        """The sleepers go on."""
        if self.world.trace:
            for worker in self.sleepers:
                self._note(worker, "wakes")
        self.live += self.sleepers
        self.sleepers = []

    def pass_time(self, seconds: int) -> None:
        """Nothing happens for a while. Whoever would be too old by then dies before."""
        self.retire(self.world.time + seconds - self.oldest)
        self.arrive_at_last(self.world.time + seconds)
        self.world.time += seconds

    def retire(self, before: float) -> None:
        """Whoever began before that moment has ended."""
        while doomed := [worker for worker in self.live if worker.began < before]:
            self.live = [worker for worker in self.live if worker.began >= before]
            for worker in doomed:  # their clients may start others
                self.die(worker)
        self.sleepers = [worker for worker in self.sleepers if worker.began >= before]

    def arrive_late(self, *, all_of_them: bool = False) -> None:
        """A request arrives whose sender gave up long ago, if it may already."""
        index = self.dice.below(len(self.late))
        if all_of_them or self.late[index].earliest <= self.world.time:
            late, self.late[index] = self.late[index], self.late[-1]
            self.late.pop()
            self._arrive(late)

    def arrive_at_last(self, latest: float) -> None:
        """What no connection would carry any longer arrives."""
        if latest < self.closing:
            return
        for late in [late for late in self.late if late.latest <= latest]:
            self.late.remove(late)
            self._arrive(late)
        self.closing = min((late.latest for late in self.late), default=inf)

    def _arrive(self, late: Late) -> None:
        if self.reachable(late.region, late.request):
            answer = self.world.perform(late.region, late.request)
            if self.world.trace:
                self.world.trace(f"(late) {late.region}: {describe(late.request)} -> {describe_answer(answer)}")

    def deliver(self) -> None:
        """One replicated change arrives, unless its way is cut."""
        mail = self.world.mail
        index = int(self.dice.draw() * len(mail))
        letter = mail[index]
        if self.down and ((letter.service, letter.source) in self.down or (letter.service, letter.target) in self.down):
            return
        if self.cuts and frozenset((letter.source, letter.target)) in self.cuts:
            return
        mail[index] = mail[-1]
        mail.pop()
        self.world.deliver(letter)

    # --- one request

    def _give_up(self, worker: Worker) -> None:
        """It does not wait for the rest of its batch."""
        if self.world.trace:
            self._note(worker, f"waits no longer for {len(worker.waiting)} more")
        for left in worker.waiting:
            self._perhaps_later(worker, worker.batch[left])
        worker.waiting = []

    def arrival(self, worker: Worker) -> int:
        """Which request of a batch is next: any."""
        return worker.waiting.pop(self.dice.below(len(worker.waiting)))

    def fate(self, worker: Worker, request: Request) -> Fate:  # noqa: ARG002  # a script looks at both
        """What becomes of a request that could arrive."""
        if self.dice.draw() < 1 - self.loss:
            return ANSWERED
        return self.habit if self.habit and self.dice.chance(0.8) else self.dice.pick(MISFORTUNES)

    def aftermath(self, worker: Worker) -> Aftermath:  # noqa: ARG002  # as above
        """What becomes of a worker after a step."""
        drawn = self.dice.draw()
        if drawn < 1 - self.kill - self.sleep:
            return GOES_ON
        return Aftermath.DIES if drawn < 1 - self.sleep else Aftermath.SLEEPS

    def _send(self, worker: Worker, request: Request) -> Any:
        region, fate = worker.region, ANSWERED
        if (self.down or self.cuts or self.barred) and not self.reachable(region, request, operator=worker.operator):
            fate = LOST_BEFORE
        elif self.scripted or self.loss:
            fate = self.fate(worker, request)
        done = fate is ANSWERED  # the most of them, by far
        answer = self.world.perform(region, request) if done else self._misfortune(worker, request, fate)
        if self.world.trace:
            self._note(worker, f"{describe(request)} -> {describe_answer(answer)}")
        return answer

    def _misfortune(self, worker: Worker, request: Request, fate: Fate) -> Any:
        if fate is LOST_BEFORE:
            self._perhaps_later(worker, request)
            return LOST
        charge = isinstance(request, Charge)
        if fate is Fate.NOT_SENT:
            return NOT_SENT if charge or isinstance(request, Announce) else LOST
        answer = self.world.perform(worker.region, request)
        if fate is Fate.REPLY_LOST or charge:  # nobody sends a charge twice
            return LOST
        if fate is Fate.TWICE:
            return self.world.perform(worker.region, request)
        self._later(worker, request)
        return answer

    def _perhaps_later(self, worker: Worker, request: Request) -> None:
        if self.loss and self.dice.chance(0.25):
            self._later(worker, request)

    def _later(self, worker: Worker, request: Request) -> None:
        now, charge = self.world.time, isinstance(request, Charge)
        earliest = now if charge else now + self.dice.pick(DELAYS)
        latest = now + WIRE if charge else inf
        self.closing = min(self.closing, latest)
        self.late.append(Late(worker.region, request, earliest, latest))

    def at_once(self, region: str, flow: Flow[T]) -> T:
        """The outcome of an operator's flow whose requests go wrong only where something cannot be reached."""
        answers: list[Any] | None = None
        while True:
            try:
                batch = flow.send(answers) if answers is not None else next(flow)
            except StopIteration as stop:
                outcome: T = stop.value
                return outcome
            arrives = [self.reachable(region, request, operator=True) for request in batch]
            answers = [
                self.world.perform(region, request) if there else LOST
                for request, there in zip(batch, arrives, strict=True)
            ]

    def _resume(self, worker: Worker, answers: list[Any] | None) -> bool:
        """False when the flow has ended. A flow that raises is a fault of production: it ends the run."""
        flow = worker.flow
        try:
            batch = flow.send(answers)  # type: ignore[arg-type]  # None starts it
            while not batch:
                batch = flow.send(())
        except StopIteration as stop:
            if self.world.trace:
                self._note(worker, f"ends: {stop.value}")
            worker.end(stop.value)
            return False
        worker.batch = batch
        if len(batch) == 1:
            worker.answers, worker.waiting = [LOST], [0]
        else:
            worker.answers, worker.waiting = [LOST] * len(batch), list(range(len(batch)))
        return True

    def _note(self, worker: Worker, what: str) -> None:
        if self.world.trace:  # callers ask as well, before they spend time on words
            self.world.trace(f"{worker.name}: {what}")
