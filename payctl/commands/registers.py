"""Commands that bring registers, records and workflows back to what they should be, and take a Region out meanwhile."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from payctl.commands import completion
from payctl.commands.options import OPERATIONS, PAYMENTS, Command, OfMerchant, Run, Yes, confirm
from payctl.commands.show import render, render_payments, render_views
from payctl.commands.show.render_letters import Letters
from payctl.payments import dead_letters, merchants, reconcile, redrive, rejoin
from payctl.payments.dead_letters import State
from payctl.payments.pay import chosen
from payctl.payments.registers import Registers
from payctl.regions import service, switch
from payctl.views import listing
from stacksets.errors import ToolError

app = typer.Typer()
region_app = typer.Typer(help="Take a Region out of service, and put it back.", no_args_is_help=True)
app.add_typer(region_app, name="region", rich_help_panel=OPERATIONS)


class Engine(StrEnum):
    """What compares the books."""

    DUCKDB = "duckdb"
    ATHENA = "athena"


OfRegion = Annotated[str, typer.Argument(help="A Region of the environment.")]
REASON_LENGTH = 200


@region_app.command("out", cls=Command)
def run_region_out(
    run: Run,
    region: OfRegion,
    *,
    reason: Annotated[str, typer.Option(help="Why, for those who look later (`payctl status`).", metavar="TEXT")],
    yes: Yes = False,
) -> None:
    """Take a Region out of service: its health check answers 503, so that clients and DNS go elsewhere.

    What is under way there is finished, its register still takes part, and what is sent to its own address is still
    taken. Refused where fewer than two Regions would serve. Safe to repeat: who took it out first, and why, stays.
    Example: `payctl region out eu-west-1 --reason "restoring a backup"`
    """
    if not 0 < len(reason.strip()) <= REASON_LENGTH or not reason.isprintable():
        raise ToolError(f"nothing was changed: --reason must be 1 to {REASON_LENGTH} printable characters")
    with run.open() as environment:
        chosen(environment, (region,))
        if not switch.read(environment, region):
            service.require_out(environment, region)
            steps = (f"GET /health of {region} answers 503: clients and DNS go elsewhere", f"reason: {reason.strip()}")
            confirm(environment, "region out", *steps, yes=yes)
        done = service.take_out(environment, region, reason.strip())
    _answer(run, done)


@region_app.command("in", cls=Command)
def run_region_in(run: Run, region: OfRegion, *, yes: Yes = False) -> None:
    """Put a Region back into service, unless it cannot serve. Safe to repeat.

    Example: `payctl region in eu-west-1`
    """
    with run.open() as environment:
        chosen(environment, (region,))
        service.require_in(environment, region)
        if taken_out := switch.read(environment, region):
            confirm(environment, "region in", f"GET /health of {region} answers 200 again ({taken_out})", yes=yes)
        done = service.put_in(environment, region)
    _answer(run, done)


def _answer(run: Run, done: service.Service) -> None:
    run.answer(done, render_views.service)
    if done.failure:
        raise ToolError(f"{done.region}: {done.failure}", remedy="repeat the command to look again")


@app.command("rejoin", cls=Command, rich_help_panel=PAYMENTS)
def run_rejoin(
    run: Run,
    region: Annotated[
        str, typer.Argument(help="The Region whose register was lost.", autocompletion=completion.regions)
    ],
    *,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Only remove a bar that a refused command left in one Region.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Teach a lost or restored register every payment from both others; only then is it asked again.

    Begin as soon as it is lost: until every function knows not to ask it, an empty table is a danger.
    Teaching begins 16 minutes later, when every function that asked the old one has ended. Repeat the command after
    anything that stops it. Example: `payctl rejoin eu-west-1`
    """
    with run.open() as environment:
        chosen(environment, (region,))
        if withdraw:
            confirm(environment, "rejoin", f"remove the bar of {region} that only one Region holds", yes=yes)
            says = Registers(environment).remove_stray_bar(region)
            run.answer({"region": region, "says": says}, lambda _: render.say(f"{region}: {says}"))
            return
        steps = [f"bar the register of {region}, teach it every payment, then use it again"]
        if units := environment.settings.limits.register_writes:
            steps.append(
                f"limits.register_writes is {units}: the registers are read as a whole, which takes hours within such "
                "units and throttles payments; better deploy with 0 before"
            )
        confirm(environment, "rejoin", *steps, yes=yes)
        done = rejoin.rejoin(environment, region)
    text = f"{region} serves again: {done.taught} payments taught, {done.known} were known"
    run.answer(done, lambda _: None if done.refused else render.say(text))
    if done.refused:
        payment, reason = next(iter(done.refused.items()))
        more = f" (and {len(done.refused) - 1} more)" if len(done.refused) > 1 else ""
        refusal = ToolError(
            f"{region} stays barred: {payment} could not be taught: {reason}{more}",
            remedy=f"repeat `payctl rejoin {region}`",
        )
        if not run.as_json:
            raise refusal
        render.say(f"error: {refusal}", aside=True)  # the answer is one value, and was printed
        raise typer.Exit(1)


@app.command("reconcile", cls=Command, rich_help_panel=OPERATIONS)
def run_reconcile(
    run: Run,
    *,
    repair: Annotated[bool, typer.Option("--repair", help="Write missing records and receipts.")] = False,
    merchant: OfMerchant = "",
    since: Annotated[str, typer.Option(help="Only what changed since: 7d, 12h, or a date.", metavar="WHEN")] = "",
    sample: Annotated[
        float, typer.Option(help="Only this share of all payments, always the same ones.", min=0.0001, max=1)
    ] = 1.0,
    processor_file: Annotated[
        Path | None,
        typer.Option(help="The processor's own file of charges (CSV) to compare with.", exists=True, dir_okay=False),
    ] = None,
    file_from: Annotated[
        str,
        typer.Option(help="That file is of this moment on: a date, 2026-11-28T10:30Z, 2h or 7d ago.", metavar="TIME"),
    ] = "",
    file_to: Annotated[
        str,
        typer.Option(help="It ends before this one; if neither is given, with its last charge.", metavar="TIME"),
    ] = "",
    exported: Annotated[
        bool, typer.Option("--export", help="Read the tables from point-in-time exports to S3, made now.")
    ] = False,
    engine: Annotated[
        Engine,
        typer.Option(help="What compares: DuckDB here, or Athena, over exports made now."),
    ] = Engine.DUCKDB,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep what was compared: a DuckDB file in .run/, or Athena's database.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="Compare nothing: remove what --keep left on Athena.")
    ] = False,
    limit: Annotated[
        int, typer.Option(help="Findings to show, and open payments to ask about; all count.", min=1, max=100_000)
    ] = reconcile.LIMIT,
    min_age: Annotated[
        int | None,
        typer.Option(
            help="Judge payments older than this: if not given, alarms.overdue_seconds; 0: all.",
            metavar="SECONDS",
            min=0,
            max=86_400,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Compare records, registers, receipts and dead letters of all Regions, and the processor's file. Exit code 2 on
    findings.

    Example: `payctl reconcile --json`, or `payctl reconcile --since 2d --processor-file charges.csv`
    """
    moment = int(listing.seconds_at(since, datetime.now(UTC))) if since else 0
    period = _period(file_from, file_to)
    if period and not processor_file:
        raise ToolError("--file-from and --file-to are of the processor's file", remedy="name it with --processor-file")
    if period and moment > period[1]:
        raise ToolError("nothing would be judged: --since must be before --file-to", remedy="leave out --since")
    if remove and engine is not Engine.ATHENA:
        raise ToolError("--remove is about Athena", remedy="add --engine athena, or delete the file in .run/")
    with run.open() as environment:
        if remove:
            database = reconcile.remove_from_athena(environment)
            run.answer({"removed": database}, lambda _: render.say(f"{database} is removed from Athena"))
            return
        merchants.require(environment.settings, merchant)
        comparison = reconcile.reconcile(
            environment,
            repair=repair,
            scope=reconcile.Scope(merchant=merchant, since=moment, sample=sample),
            processor_file=processor_file,
            file_period=period,
            exported=exported,
            on_athena=engine is Engine.ATHENA,
            keep=keep,
            limit=limit,
            min_age=min_age,
        )
    run.answer(comparison, render_payments.reconciliation)
    if not comparison.clean:
        raise typer.Exit(2)


def _period(file_from: str, file_to: str) -> tuple[int, int] | None:
    """The first and the last second since 1970 that a file is of; None where that is not given. Raises ToolError."""
    if bool(file_from) != bool(file_to):
        raise ToolError("--file-from and --file-to are given both or neither", remedy="add the other one")
    if not file_from:
        return None
    first, end = (int(listing.seconds_at(each, datetime.now(UTC))) for each in (file_from, file_to))
    if first >= end:
        raise ToolError(f"--file-from must be before --file-to: {file_from}, {file_to}", remedy="exchange them")
    return first, end - 1


@app.command("redrive", cls=Command, rich_help_panel=OPERATIONS)
def run_redrive(
    run: Run,
    *,
    yes: Yes = False,
    listing: Annotated[bool, typer.Option("--list", help="Only show the dead letters.")] = False,
    region: Annotated[
        list[str] | None, typer.Option(help="Where; every Region if not given.", autocompletion=completion.regions)
    ] = None,
    message: Annotated[str, typer.Option(help="Only the letter with this id.", metavar="ID")] = "",
    transaction: Annotated[
        Path | None, typer.Option(help="A repaired transaction (JSON) to use instead; needs --message.")
    ] = None,
    discard: Annotated[
        bool,
        typer.Option(
            "--discard",
            help="Only remove letters that hold no payment, or whose outcome events are told now or cannot be.",
        ),
    ] = False,
) -> None:
    """Put dead letters back: start their workflows again, and delete each once its workflow runs. Safe to repeat.

    Exit code 2 where a letter was kept, and why is told. Example: `payctl redrive --list`, then
    `payctl redrive --message ID --transaction repaired.json`
    """
    if listing:
        run.only("--list", {"listing", "region", "yes"})
    if transaction and not message:
        raise ToolError("--transaction replaces one letter's content", remedy="name it with --message")
    if transaction and discard:
        raise ToolError("--transaction repairs a letter, --discard removes it", remedy="choose one of them")
    letters = Letters(as_json=run.as_json)
    with run.open() as environment:
        regions = chosen(environment, region or environment.regions)
        if listing:
            dead_letters.look(environment, regions, letters.add)
        else:
            where = f"the dead letters of {', '.join(regions)}"
            removal = f"have outcome events told, and remove what cannot be told or holds no payment, from {where}"
            confirm(environment, "redrive", removal if discard else f"start the workflow again for {where}", yes=yes)
            repaired = redrive.transaction_in(transaction) if transaction else None
            redrive.redrive(environment, regions, letters.add, only=message, repaired=repaired, discard=discard)
    letters.show()
    if letters.counts.keys() & {State.KEPT, State.UNTOLD, State.ENCRYPTED}:
        raise typer.Exit(2)
