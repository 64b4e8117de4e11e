"""The load client: payments at a steady rate, repeated with the same id in the next Region until their end is known."""

import heapq
import random
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, Protocol

from payctl import sdk, signed_http
from payctl.drills import history
from payctl.drills.client_log import Answer, ClientLog, Payment
from payctl.drills.routing import AWS_INTERVAL, LOCAL_INTERVAL, Router
from payctl.environment import Environment
from stacksets.errors import ToolError

CONNECT_SECONDS: Final = 2
READ_SECONDS: Final = 10  # above the 8 s within which the API answers
# Concurrent requests at most: a slow API is then asked less, and does not drown in unanswered requests.
THREADS: Final = 24
# Seconds before a request is repeated: soon elsewhere, then ever more patiently, with jitter.
FIRST_PAUSE: Final = 0.2
PAUSE_FACTOR: Final = 3
LONGEST_PAUSE: Final = 5.0
# Within so many seconds a forgetful client posts its payment once more.
FORGETFUL_SECONDS: Final = 30.0
# Seconds between looks at a payment that was accepted and is not settled yet (the API's Retry-After).
LOOK_AGAIN: Final = 2.0


class ApiClient:
    """Calls the APIs of an environment. `connections` are kept to each host."""

    def __init__(self, environment: Environment, *, connections: int) -> None:
        self._credentials = environment.cloud.credentials().get_frozen_credentials()
        self._urls = {
            r: signed_http.address(environment.cloud, r, environment.api_outputs[r]) for r in environment.regions
        }
        pair: Any = (CONNECT_SECONDS, READ_SECONDS)  # which the session takes, though its types want one number
        self._session = sdk.httpsession.URLLib3Session(timeout=pair, max_pool_connections=connections)

    def call(self, method: str, region: str, path: str, body: Any = None) -> signed_http.Answer:
        """One signed request to a Region's API."""
        url = self._urls[region] + path
        return signed_http.send(method, url, body=body, sign_as=self._credentials, region=region, session=self._session)

    def healthy(self, region: str) -> bool:
        """Whether the Region's health endpoint answers 200."""
        return signed_http.send("GET", f"{self._urls[region]}/health", session=self._session).status == 200


class Api(Protocol):
    """What the load needs of an API client."""

    def call(self, method: str, region: str, path: str, body: object = None) -> signed_http.Answer: ...


class Routes(Protocol):
    """What the load needs of a router."""

    def order(self, near: str) -> Sequence[str]: ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """`payments` at `rate` a second, their clients spread over the Regions `near`. `impatient` is the share of payments
    that their client posts to two Regions at once, `forgetful` of those that it posts once more whatever it was told;
    `patience` how long a client repeats after its first request; `source` what is charged, where the processor needs
    one."""

    payments: int
    rate: float
    near: tuple[str, ...]
    prefix: str
    impatient: float = 0.0
    forgetful: float = 0.0
    patience: float = 60.0
    seed: int = 0
    source: str = ""

    @property
    def seconds(self) -> float:
        """For how many seconds new payments are made."""
        return self.payments / self.rate

    def draw(self) -> list[Payment]:
        """The payments, the same for the same seed."""
        dice = random.Random(self.seed)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        given = {"source": self.source} if self.source else {}
        return [
            Payment(
                id=f"{self.prefix}-{number:06d}",
                near=self.near[number % len(self.near)],
                due=number / self.rate,
                transaction={
                    "id": f"{self.prefix}-{number:06d}",
                    "amount": f"{dice.randrange(100, 50_000) / 100:.2f}",
                    "currency": "USD",
                    "timestamp": now,
                    **given,
                },
            )
            for number in range(self.payments)
        ]


def new_prefix(kind: str) -> str:
    """What the ids of one run begin with. Letters stand between the digits: nothing may look like a card number."""
    return f"{kind}{uuid.uuid4().hex[:3]}x{uuid.uuid4().hex[:3]}x"


class Step(NamedTuple):
    """A request to make at `at`; `number` breaks ties. `detour`: how many Regions further than the router's first."""

    at: float
    number: int
    payment: Payment
    method: str
    detour: int


class Load:
    """One run of a plan. `log` is complete once `join` has returned; reading it earlier shows the run so far."""

    def __init__(self, plan: Plan, api: Api, routes: Routes, regions: Sequence[str]) -> None:
        self.plan = plan
        self.log = ClientLog(regions=tuple(regions))
        self.api = api
        self._routes = routes
        self._dice = random.Random(plan.seed)
        self._steps: list[Step] = []
        self._numbers = 0
        self._busy = 0
        self._stopped = False
        self._changed = threading.Condition()
        self._due: SimpleQueue[Step | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._work, name="client", daemon=True) for _ in range(THREADS)]
        self._threads.append(threading.Thread(target=self._dispatch, name="dispatcher", daemon=True))
        self._began = 0.0

    def start(self) -> None:
        """Begin; the clock of the log starts now."""
        for payment in self.plan.draw():
            self.log.payments[payment.id] = payment
            self._plan(payment, payment.due, "POST")
            if self._dice.random() < self.plan.impatient:
                self._plan(payment, payment.due, "POST", detour=1)
            if self._dice.random() < self.plan.forgetful:
                self._plan(payment, payment.due + self._dice.uniform(0, FORGETFUL_SECONDS), "POST", detour=1)
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no request any more."""
        with self._changed:
            self._stopped = True
            self._steps.clear()
            self._changed.notify()

    def join(self) -> ClientLog:
        """Wait until every client knows the outcome of its payment or has given up."""
        for thread in self._threads:
            thread.join()
        return self.log

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    def _plan(self, payment: Payment, at: float, method: str, *, detour: int = 0) -> None:
        if self._stopped:
            return
        self._numbers += 1
        heapq.heappush(self._steps, Step(at, self._numbers, payment, method, detour))

    def _dispatch(self) -> None:
        """Hand each step to the clients when its time has come, until no step is left and none can follow."""
        with self._changed:
            while self._steps or self._busy:
                wait = self._steps[0].at - self.now if self._steps else None
                if wait is not None and wait <= 0:
                    self._busy += 1
                    self._due.put(heapq.heappop(self._steps))
                else:
                    self._changed.wait(wait)
        for _ in range(THREADS):
            self._due.put(None)

    def _work(self) -> None:
        while step := self._due.get():
            answer = None
            try:
                answer = self._ask(step)
            finally:
                self._done(step, answer)

    def _ask(self, step: Step) -> Answer | None:
        payment = step.payment
        if self._stopped or (payment.over and not step.detour):
            return None
        order = self._routes.order(payment.near)
        region = order[(payment.errors + step.detour) % len(order)]
        at = self.now
        if step.method == "POST":
            response = self.api.call("POST", region, "/payments", {"transaction": payment.transaction})
        else:
            response = self.api.call("GET", region, f"/payments/{payment.id}")
        return Answer(
            payment=payment.id,
            method=step.method,
            region=region,
            at=at,
            seconds=self.now - at,
            status=response.status,
            sent=history.payload_of(payment.transaction) if step.method == "POST" else "",
            **(history.shown(response.fields) if response.status in (200, 201, 202) else {}),
        )

    def _done(self, step: Step, answer: Answer | None) -> None:
        """Learn from the answer and plan what comes next."""
        with self._changed:
            self._busy -= 1
            payment = step.payment
            if answer:
                self.log.answers.append(answer)
                payment.learn(answer)
                at = self.now + (self._pause(payment) if answer.error else LOOK_AGAIN)
                if not payment.over and not step.detour and at < payment.begun + self.plan.patience:
                    self._plan(payment, at, "POST" if payment.accepted_at is None else "GET")
            self._changed.notify()

    def _pause(self, payment: Payment) -> float:
        longest: float = min(FIRST_PAUSE * PAUSE_FACTOR ** min(payment.errors - 1, 8), LONGEST_PAUSE)
        return longest * self._dice.uniform(0.5, 1.0)


@contextmanager
def started(environment: Environment, plan: Plan) -> Iterator[Load]:
    """A load on an environment's APIs that has begun; Regions are health-checked while the block runs."""
    environment.report.phase(f"{plan.payments} payments at {plan.rate:g} a second")
    client = ApiClient(environment, connections=THREADS)
    interval = LOCAL_INTERVAL if environment.cloud.endpoint else AWS_INTERVAL
    with Router(environment.regions, client.healthy, interval=interval) as router:
        load = Load(plan, client, router, environment.regions)
        load.start()
        yield load


def pay_at_rate(
    environment: Environment, *, rate: float, seconds: float, near: Sequence[str], source: str = ""
) -> ClientLog:
    """Make payments for some seconds, by clients spread over the Regions `near`, and follow each until its client is
    done. Raises ToolError where the rate makes none."""
    payments = round(rate * seconds)
    if payments < 1:
        raise ToolError(f"{rate:g} payments a second for {seconds:g} s is no payment")
    plan = Plan(payments=payments, rate=rate, near=tuple(near), prefix=new_prefix("L"), source=source)
    with started(environment, plan) as load:
        return load.join()
