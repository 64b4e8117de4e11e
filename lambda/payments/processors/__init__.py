"""The payment processors that can be called: one module a kind, and `common.py`, which they share.

Only the module in use is imported: each costs a part of a cold start. What a module must have is `Adapter`;
docs/processor.md, "Another processor" says how to write one.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, Protocol, cast

from payments.processors.common import Secret
from payments.protocol.ports import Announce, Cancel, Charge, Handle, Lookup, Refusal, Silence, Verdict
from payments.protocol.values import Payment

KINDS: Final = ("http", "stripe")
"""What settings may name; a test finds the module of each."""


class Processor(Protocol):
    """One processor at one address."""

    def charge(self, charge: Charge, seconds: float) -> Verdict | Refusal | Silence:
        """Take the money; wait at most `seconds` for the answer."""

    def lookup(self, lookup: Lookup, seconds: float) -> Verdict | Silence | None:
        """What was done under a key; None: nothing was, so far. It may take `seconds`, and a connection."""

    def cancel(self, cancel: Cancel, seconds: float) -> Verdict | Silence | None:
        """Have a key refused from now on; None: it is. A Verdict: too late, it stands. It may take as long."""

    def announce(self, announce: Announce, seconds: float) -> Handle | Refusal | Silence:
        """Have the processor name a charge, which moves no money. Asked only where the module says ANNOUNCES."""


class Adapter(Protocol):
    """What the module of a kind has. ANNOUNCES: the processor names a charge before it is made. KEY_HOURS: for how long
    it says that it keeps a key; 0 where only its operator can say."""

    ANNOUNCES: bool
    KEY_HOURS: int

    @staticmethod
    def Processor(url: str, secret: Secret) -> Processor:
        """The processor at an address."""

    @staticmethod
    def faults(payment: Payment) -> Sequence[tuple[str, str]]:
        """Why it could never take a payment: (field, what is wrong), fit for the caller."""


def adapter(kind: str) -> Adapter:
    """The module of a kind, imported when it is first asked for."""
    module: Any = import_module(f"{__name__}.{kind}")
    return cast(Adapter, module)
