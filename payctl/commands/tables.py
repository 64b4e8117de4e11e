"""How plans, checks and explanations look."""

from collections.abc import Sequence

from rich.text import Text

from payctl.commands.render import console, table
from payctl.environments.destroy import Plan as Destruction
from payctl.environments.drift import Drift
from payctl.environments.plan import Plan
from payctl.environments.preflight import Check
from payctl.environments.status import Attention
from payctl.environments.why import Explanation
from stacksets.change_sets import Change

STYLES = {"+": "green", ">": "yellow", "-": "red", "±": "bold red", "±?": "bold red"}


def plan(found: Plan) -> None:
    """`payctl plan`: one row a resource, one column a place; replacements and removals in red, with the property."""
    out = console()
    if not found.steps:
        out.print("nothing to do")
        return
    resources: dict[str, dict[str, Change]] = {}
    for change in found.changes:
        resources.setdefault(f"{change.resource} ({change.kind})", {})[change.place] = change
    rows: list[tuple[str | Text, ...]] = [
        (name, *(_symbol(by_place.get(place)) for place in found.places), _details(by_place))
        for name, by_place in resources.items()
    ]
    table("", ("resource", *found.places, "property: why"), rows)
    out.print("+ made  > changed  - removed  ± replaced  ±? perhaps replaced", style="dim")
    for change in found.changes:
        if change.loses_data:
            out.print(Text(f"{change.place}: {change.resource} holds data and would be {_fate(change)}", "bold red"))
    for line in found.refused:
        out.print(Text(f"refused by AWS: {line}", "bold red"))
    for line in found.notes:
        out.print(Text(f"note: {line}", "yellow"))
    out.print("payctl deploy would:")
    for step in found.steps:
        out.print(f"  - {step}", highlight=False)


def _symbol(change: Change | None) -> Text:
    return Text(change.symbol, STYLES[change.symbol]) if change else Text("")


def _fate(change: Change) -> str:
    return {"-": "removed", "±": "replaced"}.get(change.symbol, "replaced, perhaps")


def _details(by_place: dict[str, Change]) -> Text:
    text = Text()
    details = {detail.name: detail for change in by_place.values() for detail in change.details}
    for detail in details.values():
        style = "red" if detail.recreation in ("Always", "Conditionally") else ""
        values = f" {detail.before} -> {detail.after}" if detail.before or detail.after else ""
        text.append(f"{detail.name}: {detail.why}{values}\n", style)
    text.rstrip()
    return text


def checks(found: Sequence[Check]) -> None:
    """`payctl preflight` for people."""
    words = {True: Text("ok", style="green"), False: Text("FAILED", style="red"), None: Text("note", style="yellow")}
    rows = [(words[check.ok], check.place, check.subject, check.detail) for check in found]
    table("", ("", "where", "check", "found"), rows)
    for check in found:
        if check.ok is False and check.remedy:
            console().print(f"{check.place}: {check.subject}: {check.remedy}", style="red", highlight=False)


def explanation(found: Explanation) -> None:
    """`payctl why` for people."""
    if not found.subject:
        print("nothing failed: the last operation and the global stack are good")
        return
    out = console()
    out.print(Text(found.subject, style="bold"))
    for cause in found.causes:
        out.print(Text(f"  {cause.region}: ", style="red").append(f"{cause.resource or 'operation'}", style="bold"))
        out.print(Text(f"    {cause.reason}"))
        if cause.remedy:
            out.print(Text(f"    remedy: {cause.remedy}", style="green"))


def destruction(found: Destruction) -> None:
    """`payctl destroy --plan` for people."""
    for number, step in enumerate(found.steps, 1):
        print(f"{number}. {step}")
    for title, lines in (("kept", found.kept), ("in the way", found.obstacles)):
        print(f"{title}: {'' if lines else 'nothing'}")
        for line in lines:
            print(f"  - {line}")


def drifts(found: Sequence[Drift]) -> None:
    """`payctl drift`: one row a property."""
    if not found:
        print("no drift: every stack is as its template has it")
        return
    rows: list[tuple[str | Text, ...]] = []
    for each in found:
        name = f"{each.resource} ({each.kind})"
        rows += [(each.place, name, d.path, Text(d.expected, "green"), Text(d.actual, "red")) for d in each.differences]
        if not each.differences:
            rows.append((each.place, name, "", "", Text(each.status.lower(), "red")))
    table("", ("where", "resource", "property", "expected", "actual"), rows)


def attention(found: Sequence[Attention]) -> None:
    """The lower half of `payctl status`."""
    if not found:
        return
    rows = [
        (
            each.region,
            Text(", ".join(each.alarms) or "none", "red" if each.alarms else "green"),
            Text(str(each.dead_letters), "red" if each.dead_letters else "green"),
            str(each.open),
            Text(str(each.parked), "red" if each.parked else "green"),
            Text(each.trouble or (f"register not in use: {each.register}" if each.register else ""), "red"),
        )
        for each in found
    ]
    table("", ("Region", "alarms", "dead letters", "open", "parked", ""), rows)
