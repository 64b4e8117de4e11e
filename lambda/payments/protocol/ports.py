"""What a flow may ask of the world, and what it is answered: all that the protocol and its drivers share.

A flow is a generator. It yields a batch of requests that may be done in parallel and in any order, and receives their
answers in the order of the batch. An empty batch gives others a moment. Any answer may be LOST: the request may have
been done, or not, or may be done later. A process may die at any yield. Clock, ballots and tokens come from the
Context, so that the driver owns them: `store.py` in the functions, the simulator in the tests.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NamedTuple, TypeVar

LEDGER: Final = "ledger"
REGISTER: Final = ":register"
"""The item of a register about itself, with a key no payment can have. `serves`: the Region whose cells it holds,
written when the environment was created, or once it had been taught every payment; without it, the register may have
lost its memory and is not asked. `lost`: a peer that must not be asked either. `log_key`: for hashes in logs."""

Plain = str | int | Decimal
Cell = Mapping[str, Plain]
"""The attributes of one item as plain values; {} is no item."""


class Silence(Enum):
    """Why there is no answer."""

    LOST = "lost"
    """May or may not have been done, now or later."""
    NOT_SENT = "not sent"
    """Provably never done: the request did not leave, or was turned away for now. Only a Charge and an Announce are
    answered so."""


LOST: Final = Silence.LOST
NOT_SENT: Final = Silence.NOT_SENT


class Action(NamedTuple):
    """A conditional UpdateItem in DynamoDB's expressions. Names that are reserved words are written `#name`."""

    name: str
    update: str
    condition: str


class Answer(NamedTuple):
    """The answer to an Update or Publish: `done` is whether the condition held, `cell` the item afterwards."""

    done: bool
    cell: Cell


class Update(NamedTuple):
    """One conditional write to one Region's cell -> Answer. `values` holds exactly the `:names` of the action."""

    region: str
    id: str
    action: Action
    values: Mapping[str, Plain]


class Read(NamedTuple):
    """A strongly consistent read of one Region's cell -> Cell."""

    region: str
    id: str


class Publish(NamedTuple):
    """A conditional write to this Region's replica of the public record -> Answer."""

    id: str
    action: Action
    values: Mapping[str, Plain]


class ReadRecord(NamedTuple):
    """The public record in this Region's replica -> Cell."""

    id: str


class WriteReceipt(NamedTuple):
    """Put an object into this Region's bucket unless its key exists -> True: it is there."""

    key: str
    body: str


class FindReceipt(NamedTuple):
    """Look for an object in this Region's bucket -> whether it is there, as far as can be told."""

    key: str


class Charge(NamedTuple):
    """Take the money, once for each key -> Verdict, Refusal, NOT_SENT or LOST. `amount` in minor units; `source`,
    `reference` and `metadata` as the caller gave them; `at`: when it was decided, in seconds since 1970; `handle`: what
    the processor calls it, where the cells keep that."""

    rail: str
    key: str
    id: str
    amount: int
    currency: str
    source: str = ""
    reference: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    at: int = 0
    handle: str = ""


class Announce(NamedTuple):
    """Have the processor name a charge before it is made, which moves no money -> Handle, Refusal, NOT_SENT or LOST."""

    rail: str
    charge: Charge


class Handle(NamedTuple):
    """What the processor calls an announced charge."""

    text: str


class Lookup(NamedTuple):
    """What the processor did under a key, without charging -> Verdict, None (it knows no such key) or LOST. `charge`:
    what it was asked for under the key, where that is needed to find it."""

    rail: str
    key: str
    charge: Charge | None = None


class Cancel(NamedTuple):
    """Have the processor refuse a key from now on -> Verdict (too late: it stands), None (cancelled) or LOST."""

    rail: str
    key: str
    charge: Charge | None = None


class Verdict(NamedTuple):
    """A processor's final word: it charged, it declined, or the key is `cancelled` and will never be charged."""

    settled: bool
    reference: str = ""
    cancelled: bool = False


CANCELLED: Final = Verdict(settled=False, cancelled=True)


class Refusal(NamedTuple):
    """A processor refuses a request as it is, and would every time: `cause` is the status of its answer."""

    cause: str


class StartWorkflow(NamedTuple):
    """Start this Region's workflow under a name -> True, also where the name is taken already."""

    name: str
    input: str


class PutEvent(NamedTuple):
    """Put a `Payment Transaction` event on this Region's bus -> True."""

    detail: str


OfProcessor = Announce | Charge | Lookup | Cancel
OfBucket = WriteReceipt | FindReceipt
Request = Update | Read | Publish | ReadRecord | OfBucket | OfProcessor | StartWorkflow | PutEvent

T = TypeVar("T")
Batch = tuple[Request, ...]
Flow = Generator[Batch, Sequence[Any], T]


class Context(NamedTuple):
    """Where a flow runs, and its clock and random numbers.

    `regions` in rank order; `rail` is LEDGER or the processor's address; `deduplicates`: the processor honours
    idempotency keys, for `key_lifetime` seconds; `announces`: it names a charge before it is made. `now()` is whole
    seconds since 1970; `draw(n)` a random number in [0, n); `token()` a text that nobody else draws. `shards` of the
    index of overdue cells.
    """

    region: str
    regions: tuple[str, ...]
    rail: str
    deduplicates: bool
    key_lifetime: int
    now: Callable[[], int]
    draw: Callable[[int], int]
    token: Callable[[], str]
    announces: bool = False
    shards: int = 16
