"""What the system shows of a drill's payments, from all Regions: records, cells, receipts, dead letters, charges."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from payctl.drills.local_cloud import LocalCloud
from payctl.environment import Environment
from payctl.payments import dead_letters
from payctl.payments.books import Books, Item, contents, read
from payctl.payments.dead_letters import Letter

Receipts = Mapping[str, Mapping[str, frozenset[str]]]
"""By Region, then by payment: what tells the contents of its receipts apart."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """By Region, then by payment. `charges` are those of the sandbox processor; None where there is no such thing."""

    records: Mapping[str, Mapping[str, Item]]
    cells: Mapping[str, Mapping[str, Item]]
    receipts: Receipts
    letters: Sequence[Letter]
    charges: Mapping[str, int] | None

    def record(self, payment: str) -> Item | None:
        """The public record of a payment in whichever Region shows it."""
        return next((records[payment] for records in self.records.values() if payment in records), None)


def gather(environment: Environment, payments: Sequence[str], prefix: str, local: LocalCloud | None) -> Evidence:
    """Read everything about these payments, whose ids begin with `prefix`. Raises ToolError. Read only, except that
    dead letters are hidden for a moment."""
    charges = None
    if local and environment.settings.processor.url:
        counts = local.processor()["by_reference"]
        charges = {payment: counts.get(payment, 0) for payment in payments}
    books = environment.cloud.everywhere(lambda region: read(environment, region, only=payments, prefix=prefix))
    letters: list[Letter] = []
    dead_letters.look(environment, environment.regions, letters.append)
    return Evidence(
        records={region: book.records for region, book in books.items()},
        cells={region: book.cells for region, book in books.items()},
        receipts=_receipts(environment, books),
        letters=tuple(letter for letter in letters if letter.payment.startswith(prefix)),
        charges=charges,
    )


def different_receipts(receipts: Receipts) -> set[str]:
    """Payments whose receipts are not all the same."""
    payments = {payment for shown in receipts.values() for payment in shown}
    return {p for p in payments if len(set[str]().union(*(shown.get(p, ()) for shown in receipts.values()))) > 1}


def differing(items: Mapping[str, Mapping[str, Item]], attribute: str) -> Iterator[str]:
    """Payments of which two Regions show different values of an attribute; one that shows none differs from none."""
    values: dict[str, set[str]] = {}
    for shown in items.values():
        for payment, item in shown.items():
            if attribute in item:
                values.setdefault(payment, set()).add(str(item[attribute]))
    return (payment for payment, different in values.items() if len(different) > 1)


def differing_items(items: Mapping[str, Mapping[str, Item]]) -> Iterator[str]:
    """Payments of which two Regions show different items, in whatever attribute; one that shows none differs from
    none."""
    known = {payment: item for shown in items.values() for payment, item in shown.items()}
    return (payment for shown in items.values() for payment, item in shown.items() if item != known[payment])


def _receipts(environment: Environment, books: Mapping[str, Books]) -> Receipts:
    """Their ETags, or where those differ, as with different keys they may, digests of their contents."""
    etags = {region: {p: frozenset(each) for p, each in book.receipts.items()} for region, book in books.items()}
    unsure = different_receipts(etags)

    def digests(region: str) -> dict[str, frozenset[str]]:
        receipts = books[region].receipts
        return {p: contents(environment, region, p, receipts[p]) for p in unsure & receipts.keys()}

    return {region: {**etags[region], **each} for region, each in environment.cloud.everywhere(digests).items()}
