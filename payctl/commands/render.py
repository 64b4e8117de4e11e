"""How answers look: tables for people, JSON for programs. Answers go to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from payctl.drills.verdict import Verdict
from payctl.environments.destroy import Plan as Destruction
from payctl.environments.drift import Drift
from payctl.environments.health import REMEDY
from payctl.environments.plan import Plan
from payctl.environments.preflight import Check
from payctl.environments.status import Attention, Status
from payctl.environments.why import Explanation
from payctl.payments.dead_letters import Letter
from payctl.payments.logs import Line
from payctl.payments.parked import Waiting
from payctl.payments.pay import Reply
from payctl.payments.reconcile import Reconciliation
from payctl.regions.service import Service
from payctl.regions.switch import TakenOut
from payctl.views.listing import Listing
from payctl.views.timeline import Whole
from stacksets.change_sets import Change
from stacksets.progress import Terminal, Words, harmless, lines

GOOD = ("CURRENT", "SUCCEEDED", "COMPLETE", "CREATE_COMPLETE", "UPDATE_COMPLETE", "OK", "IN_SYNC", "healthy")
BAD = ("FAILED", "ROLLBACK", "INOPERABLE", "ALARM", "DRIFTED", "STOPPED")
PIPE_COLUMNS = 200
STYLES = {"+": "green", ">": "yellow", "-": "red", "±": "bold red", "±?": "bold red"}


def console() -> Terminal:
    """Standard output; a pipe gets full lines without colours."""
    out = Terminal()
    return out if out.is_terminal else Terminal(width=PIPE_COLUMNS, soft_wrap=True)


def say(line: str, *, flush: bool = False, aside: bool = False) -> None:
    """Print one line; `aside`, beside the answer, on standard error."""
    print(harmless(line), flush=flush, file=sys.stderr if aside else sys.stdout)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON, dataclasses as objects; without `indent` on one line, for streams."""
    print(json.dumps(value, indent=indent, default=_plain), flush=indent is None)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def state(word: str) -> Words:
    """A status in its colour."""
    style = "red" if any(bad in word for bad in BAD) else "green" if word in GOOD else "yellow"
    return Words(word.lower(), style=style)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str | Words]]) -> None:
    """Print one table."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console().print(drawn)


def status(state_of: Status) -> None:
    """`payctl status` for people."""
    out = console()
    if not state_of.stack_set:
        out.print(f"environment {state_of.environment} does not exist in account {state_of.account}")
        return
    out.print(Words(state_of.stack_set, "bold"), f"in account {state_of.account}, home {state_of.home}")
    if operation := state_of.operation:
        out.print(f"last operation {operation.id} {operation.action} ", state(operation.status))
    rows = [
        (each.region, state(each.status), state(each.stack_status), each.code, each.reason)
        for each in state_of.instances
    ]
    table("", ("Region", "instance", "stack", "code", "reason"), rows)
    shared = state_of.global_stack
    out.print(f"{shared.name} ", state(shared.status), f" {shared.reason}")
    if state_of.silent:
        regions = " and ".join(state_of.silent)
        out.print(f"no answer from {regions}: two of three Regions take payments; do not deploy")
    else:
        out.print("deployed" if state_of.deployed else "not fully deployed: `payctl deploy` resumes where it stopped")
    for each in state_of.other_code:
        out.print(
            Words(f"{each.region}: {each.function} is not what was deployed: {each.reason}; {REMEDY}", "bold red")
        )
    taken_out(state_of.out)
    _attention(state_of.regions)


def plan(preview: Plan) -> None:
    """`payctl plan`: one row a resource, one column a place; replacements and removals in red, with the property."""
    out = console()
    if not preview.steps:
        out.print("nothing to do")
        return
    resources: dict[str, dict[str, Change]] = {}
    for change in preview.changes:
        resources.setdefault(f"{change.resource} ({change.kind})", {})[change.place] = change
    rows: list[tuple[str | Words, ...]] = [
        (name, *(_symbol(by_place.get(place)) for place in preview.places), _details(by_place))
        for name, by_place in resources.items()
    ]
    table("", ("resource", *preview.places, "property: why"), rows)
    out.print("+ made  > changed  - removed  ± replaced  ±? perhaps replaced", style="dim")
    for change in preview.changes:
        if change.loses_data:
            out.print(Words(f"{change.place}: {change.resource} holds data and would be {_fate(change)}", "bold red"))
    for line in preview.refused:
        out.print(Words(f"refused by AWS: {line}", "bold red"))
    for line in preview.notes:
        out.print(Words(f"note: {line}", "yellow"))
    out.print("payctl deploy would:")
    for step in preview.steps:
        out.print(f"  - {step}")


def _symbol(change: Change | None) -> Words:
    return Words(change.symbol, STYLES[change.symbol]) if change else Words("")


def _fate(change: Change) -> str:
    return {"-": "removed", "±": "replaced"}.get(change.symbol, "replaced, perhaps")


def _details(by_place: dict[str, Change]) -> Words:
    details = {detail.name: detail for change in by_place.values() for detail in change.details}
    texts = []
    for detail in details.values():
        style = "red" if detail.recreation in ("Always", "Conditionally") else ""
        values = f" {detail.before} -> {detail.after}" if detail.before or detail.after else ""
        texts.append(Words(f"{detail.name}: {detail.why}{values}", style))
    return lines(texts)


def checks(results: Sequence[Check]) -> None:
    """`payctl preflight` for people."""
    words = {True: Words("ok", style="green"), False: Words("FAILED", style="red"), None: Words("note", style="yellow")}
    rows = [(words[check.ok], check.place, check.subject, check.detail) for check in results]
    table("", ("", "where", "check", "result"), rows)
    for check in results:
        if check.ok is False and check.remedy:
            console().print(f"{check.place}: {check.subject}: {check.remedy}", style="red")


def explanation(failed: Explanation) -> None:
    """`payctl why` for people."""
    if not failed.subject:
        say("nothing failed: the last operation and the global stack are good")
        return
    out = console()
    out.print(Words(failed.subject, style="bold"))
    for cause in failed.causes:
        out.print(Words(f"  {cause.region}: ", style="red").append(f"{cause.resource or 'operation'}", style="bold"))
        out.print(Words(f"    {cause.reason}"))
        if cause.remedy:
            out.print(Words(f"    remedy: {cause.remedy}", style="green"))


def destruction(preview: Destruction) -> None:
    """`payctl destroy --plan` for people."""
    for number, step in enumerate(preview.steps, 1):
        say(f"{number}. {step}")
    for title, things in (("kept", preview.kept), ("in the way", preview.obstacles)):
        say(f"{title}: {'' if things else 'nothing'}")
        for thing in things:
            say(f"  - {thing}")


def drifts(resources: Sequence[Drift]) -> None:
    """`payctl drift`: one row a property."""
    if not resources:
        say("no drift: every stack matches its template")
        return
    rows: list[tuple[str | Words, ...]] = []
    for each in resources:
        name = f"{each.resource} ({each.kind})"
        rows += [
            (each.place, name, d.path, Words(d.expected, "green"), Words(d.actual, "red")) for d in each.differences
        ]
        if not each.differences:
            rows.append((each.place, name, "", "", Words(each.status.lower(), "red")))
    table("", ("where", "resource", "property", "expected", "actual"), rows)


def _attention(regions: Sequence[Attention]) -> None:
    """The lower half of `payctl status`."""
    if not regions:
        return
    rows = [
        (
            each.region,
            Words(", ".join(each.alarms) or "none", "red" if each.alarms else "green"),
            Words(str(each.dead_letters), "red" if each.dead_letters else "green"),
            str(each.open),
            Words(str(each.parked), "red" if each.parked else "green"),
            Words(each.trouble or (f"register not in use: {each.register}" if each.register else ""), "red"),
        )
        for each in regions
    ]
    table("", ("Region", "alarms", "dead letters", "open", "parked", ""), rows)


def service(of: Service) -> None:
    """`payctl region` for people."""
    already = "" if of.changed else ", as before"
    say(f"{of.taken_out or f'{of.region} is in service'}{already}")
    say(f"GET /health: {', '.join(f'{region} {told}' for region, told in of.health.items())}")
    say(f"DNS: {of.dns}")
    say(f"still to finish there: {of.due} payments, {of.executions} workflow executions")


def taken_out(regions: Sequence[TakenOut]) -> None:
    """The Regions that an operator took out of service, as `payctl status` tells them."""
    for each in regions:
        console().print(Words(f"{each}; back by `payctl region in {each.region}`", "yellow"))


def listing(found: Listing) -> None:
    """`payctl payments list` for people."""
    rows = [
        (each.time, each.id, state(each.status), Words(f"{each.amount} {each.currency}"), each.region)
        for each in found.payments
    ]
    if rows:
        table("", ("time", "payment", "status", "amount", "Region"), rows)
    more = f", the newest {len(rows)} shown: more with --limit" if found.found > len(rows) else ""
    say(f"{found.found} payments{more}")
    if found.unseen:
        say(f"{found.unseen} more are due, and were not looked at: see `payctl parked` and `payctl status`")


def whole(of: Whole) -> None:
    """`payctl payments show` for people."""
    out = console()
    out.print(Words(f"{of.id} ", "bold"), state(of.status), f" {of.amount} {of.currency}, {of.time}")
    details = {"charged for": of.region, "processor's reference": of.reference, "idempotency key": of.idempotency_key}
    details |= {name: json.dumps(value) for name, value in of.details.items()}
    for name, value in (details | {"parked": of.why, "ruling": of.ruling}).items():
        if value:
            out.print(f"{name}: {value}")
    rows = [(each.region, each.record, each.cell, each.receipt, Words(each.trouble, "red")) for each in of.copies]
    table("", ("Region", "record", "register", "receipt", ""), rows)
    table("", ("at", "Region", "by", "what"), [(each.at, each.region, each.source, each.what) for each in of.events])


def replies(answers: Sequence[Reply]) -> None:
    """`payctl pay` for people."""
    for reply in answers:
        replayed = " (replayed)" if reply.replayed else ""
        say(f"{reply.region}: {reply.status or 'no answer'}{replayed}: {reply.meaning}")
        if isinstance(reply.body, str):
            say(f"  {reply.body}")
        else:
            print_json(reply.body)


def reconciliation(result: Reconciliation) -> None:
    """`payctl reconcile` for people."""
    rows = [(f.kind, f.region, f.payment, f.detail, "repaired" if f.repaired else "") for f in result.findings]
    if rows:
        table("", ("finding", "where", "payment", "detail", ""), rows)
    say(f"{result.payments} payments, {len(rows)} findings")


def letters(read: Sequence[Letter]) -> None:
    """`payctl redrive` for people."""
    rows = [(letter.region, letter.message_id, letter.payment, letter.reason, letter.state) for letter in read]
    table("", ("Region", "message", "payment", "reason", ""), rows)
    say(f"{len(read)} dead letters")


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
    say("ask the processor about the key, then: payctl resolve ID --settled REFERENCE")
    say("                                   or: payctl resolve ID --not-charged --reason TEXT")


def duration(seconds: int) -> str:
    """Seconds as the largest two units: `2 h 5 min`."""
    for size, unit, smaller, word in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit} {rest} {word}" if rest else f"{seconds // size} {unit}"
    return f"{seconds} s"


def log_line(line: Line) -> None:
    """One line of `payctl logs` for people."""
    at = datetime.fromtimestamp(line.at / 1000, UTC).isoformat(timespec="milliseconds")
    say(f"{at} {line.region:<14} {line.group:<9} {line.text}", flush=True)


def faults(listed: Mapping[str, Any]) -> None:
    """`payctl faults list` for people."""
    for fault in listed["faults"]:
        rest = {name: value for name, value in fault.items() if name not in ("id", "kind")}
        say(f"{fault['id']}: {fault['kind']} {json.dumps(rest)}")
    if not listed["faults"]:
        say("no faults are set")


def figures(values: Mapping[str, Any]) -> None:
    """Figures by name; some are several by name themselves."""

    def text(value: Any) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name} {count}" for name, count in value.items())
        return "-" if value is None else str(value)

    table("", ("", ""), [(name.replace("_", " "), text(value)) for name, value in values.items()])


def verdict(judged: Verdict, report: Path | None) -> None:
    """`payctl drill` for people."""
    figures({name: value for name, value in asdict(judged).items() if name != "failures"})
    for failure in judged.failures:
        say(f"FAILED: {failure}")
    say(f"{'PASSED' if judged.passed else 'FAILED'}{f'; report: {report}' if report else ''}")
