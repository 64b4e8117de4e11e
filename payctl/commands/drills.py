"""The commands `payctl faults` and `payctl drill`, and what `payctl pay --rate` does."""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from payctl.commands import render
from payctl.commands.app import OPERATIONS, app
from payctl.commands.options import Run, command
from payctl.drills import drill as drilling
from payctl.drills import hands, scenarios
from payctl.drills.caller import Caller
from payctl.drills.load import THREADS, Load, Plan, new_prefix
from payctl.drills.local import LocalCloud
from payctl.drills.record import FINAL, Record
from payctl.drills.routing import AWS_INTERVAL, LOCAL_INTERVAL, Router
from payctl.environment import Environment
from stacksets.errors import ToolError

UNITS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}

faults = typer.Typer(help="Break the local cloud on purpose, and heal it.", no_args_is_help=True)
app.add_typer(faults, name="faults", rich_help_panel=OPERATIONS)


@command(faults, "", name="list")
def list_faults(run: Run) -> None:
    """Show the faults that are set. Read only.

    Example: `payctl faults list --local`
    """
    with run.open() as environment:
        found = LocalCloud.of(environment.cloud, "faults").faults()
    if run.as_json:
        render.as_json(found)
        return
    for fault in found["faults"]:
        rest = {name: value for name, value in fault.items() if name not in ("id", "kind")}
        print(f"{fault['id']}: {fault['kind']} {json.dumps(rest)}")
    if not found["faults"]:
        print("no faults are set")


@command(faults, "", name="set")
def set_fault(
    run: Run,
    kind: Annotated[str, typer.Argument(help="region-down, service-down, cut, latency, lag or errors.")],
    regions: Annotated[list[str] | None, typer.Argument(help="The Region, or the two, that it is about.")] = None,
    *,
    service: Annotated[str, typer.Option(help="As in a signature: dynamodb, s3, lambda.")] = "",
    operation: Annotated[str, typer.Option(help="Such as UpdateItem; all if not given.")] = "",
    how: Annotated[str, typer.Option(help="fail, throttle or lose-reply.")] = "",
    share: Annotated[float | None, typer.Option(help="Of the calls, 0 to 1.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Of latency or lag.")] = None,
    jitter: Annotated[float | None, typer.Option(help="Up to so many seconds more.")] = None,
) -> None:
    """Break something in the local cloud.

    Example: `payctl faults set cut us-east-1 eu-west-1 --local`
    """
    with run.open() as environment:
        local = LocalCloud.of(environment.cloud, "faults")
        named = _regions(kind, regions or [])
        given = {"service": service, "operation": operation, "how": how}
        measured = {"share": share, "seconds": seconds, "jitter": jitter}
        fault: dict[str, Any] = {"kind": kind, **named}
        fault |= {name: text for name, text in given.items() if text}
        fault |= {name: number for name, number in measured.items() if number is not None}
        made = local.set_fault(fault)
    if run.as_json:
        render.as_json({"id": made})
    else:
        print(f"{made} is set; heal it with `payctl faults clear {made}`")


@command(faults, "", name="clear")
def clear_faults(
    run: Run, fault: Annotated[str, typer.Argument(help="One fault's id; all if not given.", metavar="[ID]")] = ""
) -> None:
    """Heal the local cloud: what waited is delivered.

    Example: `payctl faults clear --local`
    """
    with run.open() as environment:
        local = LocalCloud.of(environment.cloud, "faults")
        if fault:
            local.clear_fault(fault)
        else:
            local.clear_faults()
    if run.as_json:
        render.as_json({"cleared": fault or "all"})
    else:
        print(f"cleared {fault or 'all faults'}")


@command(app, OPERATIONS)
def drill(
    run: Run,
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(scenarios.SCENARIOS)}.")],
    *,
    payments: Annotated[int, typer.Option(help="How many to make.", min=1)] = 600,
    rate: Annotated[float, typer.Option(help="New payments a second.", min=0.1)] = 20.0,
    window: Annotated[str, typer.Option(help="How long the fault lasts, in the middle.", metavar="TIME")] = "20s",
    seed: Annotated[int, typer.Option(help="Of amounts, faults and impatience.")] = 0,
    impatient: Annotated[float, typer.Option(help="Share of clients that post to two Regions.", min=0, max=1)] = 0.1,
    wait: Annotated[str, typer.Option(help="How long to wait for quiet afterwards.", metavar="TIME")] = "5m",
    hurry: Annotated[bool, typer.Option("--hurry", help="Call the janitors; do not wait for their minute.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report here, as HTML.", metavar="FILE")] = None,
    consent: Annotated[bool, typer.Option("--i-know-this-breaks-things", help="On AWS: yes, break it.")] = False,
) -> None:
    """Break something under load, heal it, reconcile, and give a verdict. Exit code 1 unless it is a pass.

    Example: `payctl drill region-loss --local --report drill.html`
    """
    draw = _drawer() if report else None
    with run.open() as environment:
        hands.require_consent(environment.cloud, name, consent=consent)
        local = LocalCloud(environment.cloud.endpoint) if environment.cloud.endpoint else None
        hand = hands.LocalHand(local) if local else hands.AwsHand(environment)
        options = drilling.Options(
            name=name,
            payments=payments,
            rate=rate,
            window=duration(window),
            seed=seed,
            impatient=impatient,
            limit=duration(wait),
            hurry=hurry,
        )
        done = drilling.run(environment, hand, local, options)
    if report and draw:
        report.write_text(draw(done))
    if run.as_json:
        render.as_json(done.as_dict())
    else:
        _show(done.as_dict()["verdict"], report)
    if not done.verdict.passed:
        raise typer.Exit(1)


def _drawer() -> Callable[[drilling.Drill], str]:
    """What draws the report. Raises ToolError where its library is not installed: before the drill, not after it."""
    try:
        from payctl.drills.report import html  # noqa: PLC0415 - slow to import, and rarely wanted
    except ModuleNotFoundError as error:
        raise ToolError(f"the report needs {error.name}", remedy="run `make setup`") from None
    return html


def pay_at_rate(run: Run, *, rate: float, lasting: str, regions: str) -> None:
    """`payctl pay --rate`: payments at a rate, each until its end is known. Exit code 1 unless all ended well."""
    with run.open() as environment:
        record = _load(environment, rate=rate, lasting=lasting, regions=regions)
    found = record.summary()
    if run.as_json:
        render.as_json(found | {"log": [asdict(answer) for answer in record.answers]})
    else:
        render.table("", ("", ""), [(name.replace("_", " "), _told(value)) for name, value in found.items()])
    if any(payment.state not in FINAL for payment in record.payments.values()):
        raise typer.Exit(1)


def _load(environment: Environment, *, rate: float, lasting: str, regions: str) -> Record:
    near = environment.regions if regions == "all" else tuple(regions.split(","))
    for region in near:
        if region not in environment.regions:
            raise ToolError(f"{region} is not a Region of this environment", remedy="use --regions all")
    payments = round(rate * duration(lasting))
    if payments < 1:
        raise ToolError(f"--rate {rate:g} --for {lasting} makes no payment")
    plan = Plan(payments=payments, rate=rate, near=near, prefix=new_prefix("L"))
    caller = Caller(environment, connections=THREADS)
    interval = LOCAL_INTERVAL if environment.cloud.endpoint else AWS_INTERVAL
    environment.report.phase(f"{payments} payments at {rate:g} a second")
    with Router(environment.regions, caller.healthy, interval=interval) as router:
        load = Load(plan, caller, router, environment.regions)
        load.start()
        return load.join()


def duration(text: str) -> float:
    """Seconds of `30`, `30s`, `5m` or `1h`. Raises ToolError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if not match:
        raise ToolError(f"{text!r} is no duration", remedy="write 30s, 5m or 1h")
    return float(match[1]) * UNITS[match[2]]


def _regions(kind: str, named: list[str]) -> dict[str, Any]:
    """How the admin API wants the Regions of a kind of fault."""
    if kind in ("cut", "latency"):
        return {"regions": named}
    if len(named) > 1:
        raise ToolError(f"{kind} is about one Region", remedy="set it once for each")
    return {"region": named[0]} if named else {}


def _told(value: Any) -> str:
    """A figure, or several by name."""
    return ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else str(value)


def _show(verdict: dict[str, Any], report: Path | None) -> None:
    """The verdict for people."""
    rows = [
        (name.replace("_", " "), "-" if value is None else _told(value))
        for name, value in verdict.items()
        if name not in ("passed", "failures")
    ]
    render.table("", ("", ""), rows)
    for failure in verdict["failures"]:
        print(f"FAILED: {failure}")
    print(f"{'PASSED' if verdict['passed'] else 'FAILED'}{f'; report: {report}' if report else ''}")
