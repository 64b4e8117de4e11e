"""How answers about payments look: pay, reconcile, parked, logs, drill."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from payctl.commands.show.render import duration, figures, print_json, say, table
from payctl.drills.verdict import Verdict
from payctl.payments.comparison.store import READ, FileTime
from payctl.payments.logs import Line
from payctl.payments.parked import Waiting
from payctl.payments.pay import UNKNOWN, Reply
from payctl.payments.reconcile import Reconciliation


def replies(answers: Sequence[Reply]) -> None:
    """`payctl pay` for people."""
    for reply in answers:
        replayed = " (replayed)" if reply.replayed else ""
        say(f"{reply.region}: {reply.status or 'no answer'}{replayed}: {reply.meaning}")
        if reply.repeat and reply.meaning.startswith(UNKNOWN):
            say(f"  the same again: payctl pay {reply.repeat}", flush=True)  # to be copied, so in one line
        if isinstance(reply.body, str):
            say(f"  {reply.body}")
        else:
            print_json(reply.body)


def reconciliation(result: Reconciliation) -> None:
    """`payctl reconcile` for people."""
    rows = [(f.kind, f.region, f.payment, f.detail, "repaired" if f.repaired else "") for f in result.findings]
    if rows:
        table("", ("finding", "where", "payment", "detail", ""), rows)
    for step in dict.fromkeys(f"{f.kind}: {f.remedy}" for f in result.findings if f.remedy and not f.repaired):
        say(step)
    found = sum(result.counts.values())
    shown = f", the first {len(rows)} shown" if found > len(rows) else ""
    young = f"; {result.young} too young to judge" if result.young else ""
    say(f"{result.payments} payments, {found} findings{shown}{young}")
    if result.receipts_read >= READ:
        say(
            f"receipts of {result.receipts_read} payments were read and held against the records; of all others only "
            "the lengths were compared: run it again, and others are read"
        )
    if result.processor_file:
        say(_time_of(result.processor_file))
    if result.books:
        where = "DuckDB" if result.books.endswith(".duckdb") else "Athena; payctl reconcile --engine athena --remove"
        say(f"what was compared is kept: {result.books} ({where})")


def _time_of(file: FileTime) -> str:
    if not file.first:
        return "the processor's file tells no moments: payments of all times are looked for in it"
    span = f"looked for in the processor's file: payments decided from {file.first} to {file.last}"
    if not file.outside:
        return span
    return (
        f"{span}; {file.outside} that a processor settled were decided at other times and not looked for: compare the "
        "processor's other files too, and say with --file-from and --file-to of what time each is"
    )


def parked(payments: Sequence[Waiting]) -> None:
    """`payctl parked` for people."""
    if not payments:
        say("no payment is parked")
        return
    rows = [
        (
            each.payment,
            f"{each.amount} {each.currency}".strip(),
            duration(each.age),
            each.region,
            each.why,
            each.idempotency_key,
        )
        for each in payments
    ]
    table("", ("payment", "amount", "age", "decided for", "why", "idempotency key"), rows)
    for each in payments:
        if each.ruling:
            say(f"an operator has ruled about {each.payment}: {each.ruling}")
    say("ask the processor about the key, then one of:")
    say("  payctl resolve ID --settled REFERENCE")
    say("  payctl resolve ID --not-charged --reason TEXT")


def log_line(line: Line) -> None:
    """One line of `payctl logs` for people."""
    at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
    say(f"{at} {line.region:<14} {line.group:<9} {line.text}", flush=True)


def verdict(judged: Verdict, report: Path | None) -> None:
    """`payctl drill` for people."""
    figures({name: value for name, value in asdict(judged).items() if name != "failures"})
    for failure in judged.failures:
        say(f"FAILED: {failure}")
    say(f"{'PASSED' if judged.passed else 'FAILED'}{f'; report: {report}' if report else ''}")
