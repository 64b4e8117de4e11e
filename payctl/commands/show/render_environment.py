"""How answers about an environment as a whole look: status, plan, preflight, why, drift, destroy --plan."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from typing import Any, Final

from payctl.commands.show.render import console, say, state, table
from payctl.environment import GLOBAL
from payctl.environments.destroy import Plan as Destruction
from payctl.environments.drift import Drift
from payctl.environments.gates.check import Check
from payctl.environments.health import REMEDY
from payctl.environments.plan import Plan
from payctl.environments.status import Attention, Status
from payctl.environments.why import Explanation
from stacksets.change_sets import TAGS, Change, Detail
from stacksets.errors import Cause
from stacksets.progress import Words

STYLES = {"+": "green", ">": "yellow", "-": "red", "±": "bold red", "±?": "bold red"}
UNREAD: Final = "?"
COLUMNS: Final = 80  # of a line of `payctl plan`; what is cut off is in --json


def status(state_of: Status) -> None:
    """`payctl status` for people."""
    out = console()
    if not state_of.stack_set:
        out.print(f"environment {state_of.environment} does not exist in account {state_of.account}")
        return
    out.print(Words(state_of.stack_set, "bold"), f"in account {state_of.account}, home {state_of.home}")
    if operation := state_of.operation:
        out.print(f"last operation {operation.id} {operation.action} ", state(operation.status))
    elif state_of.home in state_of.silent:
        out.print(f"last operation {UNREAD}")
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
    for out_of_service in state_of.out:
        out.print(Words(f"{out_of_service}; it comes back by `payctl region in`", "yellow"))
    _attention(state_of.regions)


def plan(preview: Plan, columns: int = COLUMNS) -> None:
    """`payctl plan`: a line for each resource that changes alike in the same places, risky ones in red; one line for
    all those that only get other tags."""
    out = console()
    if not preview.steps:
        out.print("nothing to do")
        return
    for title, changes in _sections(preview):
        lines = list(_lines(changes, preview.tags, columns))
        if all(change.tags_only for change in changes):
            out.print(Words(_cut(f"{title}: {lines[0][1]}", columns), "bold"))
            continue
        out.print(Words(f"{title}:", "bold"))
        for symbol, line in lines:
            out.print(Words(_cut(f"  {symbol:<2} {line}".rstrip(), columns), STYLES[symbol]))
    if any(change.symbol != ">" for change in preview.changes):
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
    _obstacles(preview.obstacles)


def _obstacles(causes: Sequence[Cause]) -> None:
    """Why `payctl deploy` would refuse; a remedy for several once."""
    for remedy, alike in groupby(causes, key=lambda cause: cause.remedy):
        for cause in alike:
            console().print(Words(f"payctl deploy would refuse: {cause}", "bold red"))
        if remedy:
            console().print(Words(f"  remedy: {remedy}", "green"))


def _lines(changes: Sequence[Change], tags: Sequence[Detail], columns: int) -> Iterator[tuple[str, str]]:
    """Symbol and text of each line of a section; a value takes at most a third of a line."""
    others = [change for change in changes if not change.tags_only]
    name = max((len(change.resource) for change in others), default=0)
    kind = max((len(_type(change)) for change in others), default=0)
    value = columns // 3
    for change in others:
        yield change.symbol, f"{change.resource:<{name}} {_type(change):<{kind}}  {_details(change, value)}"
    if count := len(changes) - len(others):
        told = ", ".join(f"{tag.name} {_values(tag.before, tag.after, value)}" for tag in tags)
        yield ">", f"tags alone of {count}{' more' if others else ''}: {told}"


def _sections(preview: Plan) -> list[tuple[str, list[Change]]]:
    """What happens alike in the same places, under their names; of equal changes that of the first place."""
    regions = tuple(place for place in preview.places if place != GLOBAL)
    alike: dict[tuple[str, ...], list[Change]] = {}
    for change in preview.changes:
        names = (change.resource, change.symbol, *(detail.name for detail in change.details))
        alike.setdefault(names, []).append(change)
    sections: dict[tuple[str, ...], list[Change]] = {}
    for same in alike.values():
        sections.setdefault(tuple(change.place for change in same), []).append(same[0])
    titles = {regions: "every Region", (GLOBAL,): "global stack"}
    return [(titles.get(places, ", ".join(places)), changes) for places, changes in sections.items()]


def _type(change: Change) -> str:
    return change.kind.rsplit("::", 1)[-1]


def _fate(change: Change) -> str:
    return {"-": "removed", "±": "replaced"}.get(change.symbol, "replaced, perhaps")


def _details(change: Change, value: int) -> str:
    """The properties that change, those that replace the resource first: `RetentionInDays: 7 -> 14`."""
    details = [detail for detail in change.details if detail.name != TAGS]
    details.sort(key=lambda detail: detail.recreation not in ("Always", "Conditionally"))
    return ", ".join(_detail(detail, value) for detail in details)


def _detail(detail: Detail, value: int) -> str:
    if not (detail.before or detail.after):
        entity = detail.why.partition(" ")[2]
        return f"{detail.name}{f': by {entity}' if entity else ''}"
    path, before, after = _leaf(detail.before, detail.after)
    return f"{detail.name}{path}: {_values(before, after, value)}"


def _values(before: str, after: str, columns: int) -> str:
    return f"{_cut(before or 'none', columns)} -> {_cut(after or 'none', columns)}"


def _leaf(before: str, after: str) -> tuple[str, str, str]:
    """Where two values in JSON differ in one member alone: its path, and the two values of that."""
    try:
        old, new = json.loads(before), json.loads(after)
    except ValueError:
        return "", before, after
    path = ""
    while isinstance(old, dict) and isinstance(new, dict):
        differ = [key for key in dict.fromkeys(chain(old, new)) if old.get(key) != new.get(key)]
        if len(differ) != 1:
            break
        path, old, new = f"{path}.{differ[0]}", old.get(differ[0]), new.get(differ[0])
    return path, _text(old), _text(new)


def _text(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else f"{text[: columns - 1]}…"


def checks(results: Sequence[Check]) -> None:
    """`payctl preflight` for people."""
    words = {True: Words("ok", style="green"), False: Words("FAILED", style="red"), None: Words("note", style="yellow")}
    rows = [(words[check.ok], check.place, check.subject, check.detail) for check in results]
    table("", ("", "where", "check", "result"), rows)
    for check in results:
        if check.ok is False and check.remedy:
            console().print(f"{check.place}: {check.subject}: {check.remedy}", style="red")


def explanation(found: Explanation, operation: str = "") -> None:
    """`payctl why` for people; of one operation, where one was named."""
    if not found.subject:
        whole = "nothing failed: every stack is good and current, and a deployment would begin"
        say(f"nothing failed in operation {operation}" if operation else whole)
        return
    out = console()
    out.print(Words(found.subject, style="bold"))
    for remedy, alike in groupby(found.causes, key=lambda cause: cause.remedy):
        for cause in alike:
            where = ": ".join(filter(None, (cause.region, cause.resource))) or "environment"
            out.print(Words(f"  {where}", style="red"))
            out.print(Words(f"    {cause.reason}"))
        if remedy:
            out.print(Words(f"    remedy: {remedy}", style="green"))


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
            _waiting(None if each.alarms is None else ", ".join(each.alarms) or "none"),
            _waiting(each.dead_letters),
            Words(UNREAD if each.open is None else str(each.open)),
            _waiting(each.parked),
            Words(
                "; ".join(filter(None, (f"register not in use: {each.register}" * bool(each.register), each.trouble))),
                "red",
            ),
        )
        for each in regions
    ]
    table("", ("Region", "alarms", "dead letters", "open", "parked", ""), rows)


def _waiting(found: str | int | None) -> Words:
    """What waits, in red; nothing in green; what could not be read is "?"."""
    if found is None:
        return Words(UNREAD, "red")
    return Words(str(found), "green" if found in (0, "none") else "red")
