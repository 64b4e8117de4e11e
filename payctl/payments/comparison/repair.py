"""Writes the records and receipts that a comparison found missing."""

from functools import partial
from typing import Any, Final

from payments.protocol import record

from payctl.cloud import batches, together
from payctl.environment import Environment
from payctl.payments.books import Item, records
from payctl.payments.comparison.store import Store
from payctl.payments.registers import AT_ONCE, Registers

REPAIRABLE: Final = ("missing record", "missing receipt")


def repair(environment: Environment, registers: Registers, books: Store) -> None:
    """Write what is missing, the same bytes as elsewhere, by the functions' own conditional writes. Where records
    differ, none is copied; a table that is gone is asked for none."""
    query = (
        "SELECT kind, region, payment FROM findings WHERE kind IN (?, ?) "
        "AND payment NOT IN (SELECT payment FROM findings WHERE kind = 'different') ORDER BY payment"
    )
    gone = {region for (region,) in books.run("SELECT region FROM findings WHERE kind = 'missing table'")}
    there = [region for region in environment.regions if region not in gone]
    for some in books.rows(query, REPAIRABLE):
        known = records(environment, there, sorted({payment for _, _, payment in some}))
        write, repaired = partial(_write, registers, known), list[tuple[str, str, str]]()
        for few in batches(some, AT_ONCE):
            done = together(write, few)
            repaired += (row for row, written in done.items() if written)
        for each in REPAIRABLE:
            rows = [(region, payment) for kind, region, payment in repaired if kind == each]
            books.run(
                "UPDATE findings SET repaired = true WHERE kind = ? AND (region, payment) IN "
                "(SELECT (unnest(?), unnest(?)))",
                [each, [region for region, _ in rows], [payment for _, payment in rows]],
            )


def _write(registers: Registers, known: dict[str, Item], missing: tuple[str, str, str]) -> bool:
    kind, region, payment = missing
    if payment not in known:
        return False
    intent, result = record.read_record(known[payment])
    make = record.publish if kind == "missing record" else record.receipt

    def flow() -> Any:
        (answer,) = yield (make(intent, result),)
        return answer

    answer = registers.run(flow(), region)
    return answer is True or bool(getattr(answer, "done", False))
