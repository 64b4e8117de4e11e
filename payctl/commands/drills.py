"""Commands that break things on purpose: `payctl drill` and `payctl faults`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from payctl.commands import completion
from payctl.commands.options import OPERATIONS, Command, Run, seconds_of, without
from payctl.commands.show import render, render_payments
from payctl.drills import drill, scenarios
from payctl.drills.load import Plan, new_prefix
from payctl.drills.local_cloud import LocalCloud
from stacksets.errors import ToolError

PATIENCE_SECONDS: Final = 30.0  # for which a client of a drill repeats its request

app = typer.Typer()
faults = typer.Typer(help="Break the local cloud on purpose, and heal it.", no_args_is_help=True)


@app.command("drill", cls=Command, rich_help_panel=OPERATIONS)
def run_drill(
    run: Run,
    name: Annotated[
        str, typer.Argument(help=f"One of {', '.join(scenarios.SCENARIOS)}.", autocompletion=completion.drills)
    ],
    *,
    payments: Annotated[int, typer.Option(help="How many to make.", min=1)] = 600,
    rate: Annotated[float, typer.Option(help="New payments a second.", min=0.1)] = 20.0,
    window: Annotated[str, typer.Option(help="How long the fault lasts, in the middle.", metavar="TIME")] = "20s",
    seed: Annotated[int, typer.Option(help="Of the random amounts, faults and impatient clients.")] = 0,
    impatient: Annotated[float, typer.Option(help="Share of clients that post to two Regions.", min=0, max=1)] = 0.1,
    source: Annotated[str, typer.Option(help="What is charged, where the processor needs one.", metavar="TOKEN")] = "",
    wait: Annotated[str, typer.Option(help="How long to wait for quiet afterwards.", metavar="TIME")] = "5m",
    hurry: Annotated[bool, typer.Option("--hurry", help="Call the janitors; do not wait for their minute.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.", metavar="FILE")] = None,
    consent: Annotated[bool, typer.Option("--i-know-this-breaks-things", help="On AWS: yes, break it.")] = False,
) -> None:
    """Break something under load, heal it, compare all Regions, and give a verdict. Exit code 1 unless it is a pass.

    Example: `payctl drill region-loss --local --report drill.html`
    """
    draw = _drawer() if report else None
    with run.open() as environment:
        plan = Plan(
            payments=payments,
            rate=rate,
            near=environment.regions,
            prefix=new_prefix("D"),
            impatient=impatient,
            patience=PATIENCE_SECONDS,
            seed=seed,
            source=source,
        )
        options = drill.Options(
            name=name, plan=plan, window=seconds_of(window), limit=seconds_of(wait), hurry=hurry, consent=consent
        )
        done = drill.run(environment, options)
    if report and draw:
        report.write_text(draw(done))
    run.answer(done.as_dict(), lambda _: render_payments.verdict(done.verdict, report))
    if not done.verdict.passed:
        raise typer.Exit(1)


def _drawer() -> Callable[[drill.Drill], str]:
    """What draws the report. Raises ToolError where its library is not installed: before the drill, not after it."""
    try:
        from payctl.drills.report import html  # noqa: PLC0415 - its library is an extra
    except ModuleNotFoundError as error:
        raise without("report", "the report", error) from None
    return html


@faults.command("list", cls=Command)
def run_list(run: Run) -> None:
    """Show the faults that are set. Read only.

    Example: `payctl faults list --local`
    """
    with run.open() as environment:
        run.answer(LocalCloud.of(environment.cloud, "faults").faults(), render.faults)


@faults.command("set", cls=Command)
def run_set(
    run: Run,
    kind: Annotated[
        str,
        typer.Argument(
            help="region-down, service-down, cut, latency, lag, slow-stacks or errors.",
            autocompletion=completion.fault_kinds,
        ),
    ],
    regions: Annotated[
        list[str] | None,
        typer.Argument(help="The Region that it affects, or the two.", autocompletion=completion.regions),
    ] = None,
    *,
    service: Annotated[str, typer.Option(help="As in a signature: dynamodb, s3, lambda.")] = "",
    operation: Annotated[str, typer.Option(help="Such as UpdateItem; all if not given.")] = "",
    how: Annotated[
        str, typer.Option(help="fail, throttle, lose-reply or conflict.", autocompletion=completion.fault_effects)
    ] = "",
    share: Annotated[float | None, typer.Option(help="Share of the calls, 0 to 1.")] = None,
    seconds: Annotated[float | None, typer.Option(help="Latency, lag or delay, in seconds.")] = None,
    jitter: Annotated[float | None, typer.Option(help="Maximum extra delay, in seconds.")] = None,
) -> None:
    """Break something in the local cloud.

    Example: `payctl faults set cut us-east-1 eu-west-1 --local`
    """
    texts = {"service": service, "operation": operation, "how": how}
    numbers = {"share": share, "seconds": seconds, "jitter": jitter}
    with run.open() as environment:
        local = LocalCloud.of(environment.cloud, "faults")
        fault: dict[str, Any] = {"kind": kind, **_where(kind, regions or [])}
        fault |= {name: text for name, text in texts.items() if text}
        fault |= {name: number for name, number in numbers.items() if number is not None}
        made = local.set_fault(fault)
    run.answer({"id": made}, lambda _: render.say(f"{made} is set; heal it with `payctl faults clear {made}`"))


@faults.command("clear", cls=Command)
def run_clear(
    run: Run,
    fault: Annotated[
        str, typer.Argument(help="One fault's id; all if not given.", metavar="[ID]", autocompletion=completion.faults)
    ] = "",
) -> None:
    """Heal the local cloud: what waited is delivered.

    Example: `payctl faults clear --local`
    """
    with run.open() as environment:
        LocalCloud.of(environment.cloud, "faults").clear_faults(fault)
    run.answer({"cleared": fault or "all"}, lambda _: render.say(f"cleared {fault or 'all faults'}"))


def _where(kind: str, regions: list[str]) -> dict[str, Any]:
    """The Regions of a kind of fault as the admin API takes them. Raises ToolError."""
    if kind in ("cut", "latency"):
        return {"regions": regions}
    if len(regions) > 1:
        raise ToolError(f"{kind} affects one Region", remedy="set it once for each")
    return {"region": regions[0]} if regions else {}


app.add_typer(faults, name="faults", rich_help_panel=OPERATIONS)
