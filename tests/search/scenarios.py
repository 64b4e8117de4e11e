"""The small worlds that are searched: who works on one payment, and what may go wrong.

The ballots of workers differ, unless they are meant to be equal; their clocks differ by a second, so that no two of
them propose the same bytes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from payments.protocol import flows, operations, sweep
from payments.protocol.operations import Ruling
from payments.protocol.ports import LEDGER, Context, Flow
from payments.protocol.values import NOT_CHARGED, SETTLED, payment_of

from tests.search.flows import Worker
from tests.search.world import NOBODY, Processor
from tests.simulation.traffic import intent
from tests.simulation.world import REGIONS

FIRST, OTHER, THIRD = (intent(0, variant) for variant in range(3))
A, B, C = range(3)
ANY = (A, B, C)
RAIL = "https://processor.example"
Start = Callable[[Context], Flow[Any]]


class Scenario(NamedTuple):
    """Who works, and what may go wrong: `losses` requests without an answer (or refused connections of the processor),
    `doubles` requests done once more at any later time, `outage`: the Region that may be lost at any moment. `losable`:
    the Regions that may be lost at the end, one at a time, before all is healed."""

    name: str
    what: str
    workers: tuple[Worker, ...]
    losses: int = 0
    doubles: int = 0
    outage: int = NOBODY
    losable: tuple[int, ...] = ()
    processor: Processor = Processor()
    before: tuple[tuple[int, int], ...] = ()
    """What has been done when the search begins: (worker, Region) by index, one request each."""
    dead: int = 0
    """So many of the workers, the last ones, have died by then."""


def client(region: int, payload: Any = FIRST, **how: Any) -> Worker:
    """A client who posts."""

    def start(ctx: Context) -> Flow[Any]:
        return flows.submit(ctx, payload)

    return Worker(f"post {payload.hash[:4]}@{REGIONS[region]}", REGIONS[region], start, payload, region + 1, **how)


def successor(region: int, **how: Any) -> Worker:
    """Whoever takes a payment further: what the janitor and the workflow's task have in common."""

    def start(ctx: Context) -> Flow[Any]:
        return flows.recover(ctx, FIRST.id)

    return Worker(f"takeover@{REGIONS[region]}", REGIONS[region], start, None, region + 11, **how)


def janitor(region: int, **how: Any) -> Worker:
    def start(ctx: Context) -> Flow[Any]:
        return sweep.sweep(ctx, FIRST.id)

    return Worker(f"janitor@{REGIONS[region]}", REGIONS[region], start, None, region + 21, **how)


def operator(region: int, ruling: Ruling, **how: Any) -> Worker:
    def start(ctx: Context) -> Flow[Any]:
        return operations.resolve(ctx, FIRST.id, ruling)

    name = f"{ruling.by} {ruling.status}@{REGIONS[region]}"
    return Worker(name, REGIONS[region], start, None, region + 31, **how)


def reader(region: int, **how: Any) -> Worker:
    """A client who reads."""

    def start(ctx: Context) -> Flow[Any]:
        return flows.get(ctx, FIRST.id, payment_of(FIRST).account)

    return Worker(f"get@{REGIONS[region]}", REGIONS[region], start, **how)


def crew(*workers: Worker, rail: str = LEDGER, honours: bool = False) -> tuple[Worker, ...]:
    """These workers, on one rail, each with a clock of its own."""
    return tuple(worker._replace(late=late, rail=rail, deduplicates=honours) for late, worker in enumerate(workers))


YES = Ruling(SETTLED, by="operator 1", reference="ref-1")
NO = Ruling(NOT_CHARGED, by="operator 2", reason="not in the books")
NO_TOO = Ruling(NOT_CHARGED, by="operator 3", reason="the customer says so")

AGAIN = client(A)._replace(name=f"post again@{REGIONS[A]}", ballot=2)
"""The first post's client again, in the same Region."""

SCENARIOS = (
    # --- the ledger
    Scenario("alone", "one post", crew(client(A)), losses=2, doubles=1, losable=ANY),
    Scenario("twice", "one payload, two posts", crew(client(A), client(B)), losses=1, losable=ANY),
    Scenario("takeover", "a post, and a takeover elsewhere", crew(client(A), successor(B)), losses=1, losable=ANY),
    Scenario("janitor", "a post, and a janitor elsewhere", crew(client(A), janitor(B)), doubles=1, losable=(A, B)),
    Scenario("clash", "two payloads", crew(client(A), client(B, OTHER)), losses=1, doubles=1, losable=ANY),
    Scenario(
        "equal ballots",
        "two payloads in one ballot",
        crew(client(A), client(B, OTHER)._replace(ballot=1)),
        losses=2,
        losable=ANY,
    ),
    Scenario(
        "equal posts",
        "one payload, two posts in one ballot",
        crew(client(A), client(B)._replace(ballot=1)),
        losses=1,
        losable=ANY,
    ),
    Scenario(
        "equal takeovers",
        "two payloads, whose clients died, and two takeovers in one ballot",
        crew(successor(A), successor(B)._replace(ballot=11), client(A), client(B, OTHER)),
        losses=1,
        losable=ANY,
        before=((2, A), (3, B)),
        dead=2,
    ),
    Scenario(
        "clash and takeover",
        "two payloads, and a takeover",
        crew(client(A), client(B, OTHER), successor(C)),
        losable=ANY,
    ),
    Scenario("three", "three payloads", crew(client(A), client(B, OTHER), client(C, THIRD)), losable=ANY),
    Scenario(
        "read before",
        "a takeover that has read another payload, since replaced by a vote, and a post of what was voted for",
        crew(AGAIN, successor(B), client(A), client(C, OTHER)._replace(ballot=0)),
        losses=1,
        losable=ANY,
        before=((3, C), (1, A), (1, B), (1, C), (2, A), (2, B), (2, C), (2, C)),
        dead=2,
    ),
    Scenario(
        "outage",
        "two payloads, and a Region that is lost at any moment",
        crew(client(A), client(B, OTHER)),
        losses=1,
        outage=C,
    ),
    # --- a processor
    Scenario("charged", "one post", crew(client(A), rail=RAIL), losses=2, doubles=1, losable=ANY),
    Scenario("charged twice", "one payload, two posts in one Region", crew(client(A), AGAIN, rail=RAIL), losable=ANY),
    Scenario(
        "not sent",
        "one payload, two posts in one Region, whose calls may fail to leave",
        crew(client(A), AGAIN, rail=RAIL),
        losses=1,
        doubles=1,
    ),
    Scenario(
        "charged and taken over",
        "a post, and a takeover elsewhere",
        crew(client(A), successor(B), rail=RAIL),
        losses=1,
        losable=(A,),
    ),
    Scenario(
        "keys",
        "a post by a processor that keeps keys, and a takeover elsewhere",
        crew(client(A), successor(B), rail=RAIL, honours=True),
        losses=1,
        losable=(A,),
        processor=Processor(honours=True),
    ),
    Scenario(
        "declined",
        "a post that is declined, and a client who reads",
        crew(client(A), reader(B), rail=RAIL),
        losses=1,
        losable=ANY,
        processor=Processor(declines=True),
    ),
    Scenario(
        "charged by operator",
        "a post, and an operator who says that it was charged",
        crew(client(A), operator(B, YES), rail=RAIL),
        losses=1,
        losable=ANY,
    ),
    Scenario(
        "no cancel",
        "a post by a processor that cancels nothing, and an operator who says that it was not charged",
        crew(client(A), operator(B, NO), rail=RAIL),
        losses=1,
        losable=(C,),
        processor=Processor(cancels=False),
    ),
    Scenario(
        "cancelled",
        "a post, and an operator who has it cancelled",
        crew(client(A), operator(B, NO), rail=RAIL),
        losses=1,
        losable=ANY,
    ),
    Scenario(
        "operators",
        "a post, and two operators who have it cancelled",
        crew(client(A), operator(B, NO), operator(C, NO_TOO), rail=RAIL),
        losable=ANY,
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
