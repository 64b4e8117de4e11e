"""Mutants that must be killed whatever else survives, because their harm was done once; two of them by a campaign or a
search, since they break the protocol itself."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.mutants.mutations import Module, Mutant, Unit, digest, modules

CAMPAIGNS: Final = "tests/mutants/campaigns.py"


class Named(NamedTuple):
    """`old` stands once in the text of the unit, and `new` in its place. `by`: the file whose tests must kill it; "" is
    any."""

    what: str
    module: str
    unit: str
    old: str
    new: str
    by: str = ""

    @property
    def name(self) -> str:
        return f"named: {self.what}"

    def mutant(self, unit: Unit, text: str, span: slice) -> Mutant:
        before = text[span]
        if before.count(self.old) != 1:
            raise LookupError(f"{self.what}: {self.old!r} is {before.count(self.old)} times in {self.unit}, not once")
        source = text[: span.start] + before.replace(self.old, self.new) + text[span.stop :]
        return Mutant(unit._replace(code=digest(unit.code, self.old, self.new, self.by)), self.what, source)


NAMED: Final = (
    Named("GET tells a result that one cell holds", "protocol.settlement", "ended", "count >= 2", "count >= 1"),
    Named(
        "closed as not charged while the key is still used",
        "protocol.operations",
        "keys_end",
        "value.at + ctx.key_lifetime // 2 + QUIET_SECONDS",
        "value.at",
    ),
    Named("a cell rests without its receipt", "protocol.sweep", "tidy", "if written else", "if True else"),
    Named(
        "a bar at one peer is enough",
        "protocol.rejoining",
        "bar",
        "    if all(answer is not LOST and answer.done for answer in answers):\n        answers",
        "    if any(answer is not LOST and answer.done for answer in answers):\n        answers",
    ),
    Named(
        "the record loses what is below a second",
        "protocol.record",
        "publish",
        "Decimal(payment.timestamp).scaleb(-6)",
        "Decimal(payment.timestamp // 10**6)",
    ),
    Named("409 is taken as not sent", "processors.common", "ANSWERS", "409: Meaning.UNKNOWN", "409: Meaning.NOT_DONE"),
    Named("cells are read eventually", "store", "Driver._reading", '"ConsistentRead": True', '"ConsistentRead": False'),
    Named("the janitor skips a shard", "janitor", "SHARDS", "range(64)", "range(63)"),
    Named(
        "RELEASE undoes any call's claim",
        "protocol.idempotency",
        "RELEASE",
        "{MY_ATTEMPT}",
        "({MY_ATTEMPT} OR attribute_exists(attempt))",
        CAMPAIGNS,
    ),
    Named(
        "OPEN is granted again in the ballot that was promised",
        "protocol.idempotency",
        "OPEN",
        "{ABOVE_PROMISE}",
        "{AT_PROMISE}",
        CAMPAIGNS,
    ),
)


def mutants() -> Iterator[tuple[Named, Mutant]]:
    """Each, as it would be made by an operator."""
    for named in NAMED:
        module = Module(f"payments.{named.module}", modules()[f"payments.{named.module}"])
        unit = next(unit for unit in module.units if unit.name == named.unit)
        yield named, named.mutant(unit, module.text, module.span(named.unit))
