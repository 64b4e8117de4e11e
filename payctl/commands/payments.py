"""Commands that make, follow and close payments."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from payments.protocol.values import kept_as

from payctl.commands import completion
from payctl.commands.options import PAYMENTS, Command, OfMerchant, Run, Yes, confirm, seconds_of
from payctl.commands.show import render, render_payments, render_views
from payctl.drills import load
from payctl.endpoint import loopback
from payctl.payments import logs, merchants, parked, pay
from payctl.payments.due import standings
from payctl.payments.registers import FINAL, Registers
from payctl.views import export, listing, timeline
from stacksets.errors import ToolError

app = typer.Typer()
views = typer.Typer(help="Look at payments: list, show, export.", no_args_is_help=True)
app.add_typer(views, name="payments", rich_help_panel=PAYMENTS)
Payment = Annotated[str, typer.Argument(help="The payment's id; MERCHANT:ID where there are merchants.", metavar="ID")]


ONE: Final = {"amount", "currency", "payment_id", "timestamp", "source", "reference", "metadata", "merchant", "yes"}
MOST_AT_ONCE: Final = 1_000_000
"""Payments that one command makes: it keeps them all."""
PAY_WITH: Final = {
    "--rate": {"rate", "lasting", "regions", "source", "yes"},
    "--status": {"status", "region", "everywhere", "merchant", "yes"},
    "--domain": {*ONE, "domain"},
    "one payment": {*ONE, "region", "everywhere"},
}
"""What goes with what: an option that is left aside would be another payment than was meant."""


@app.command("pay", cls=Command, rich_help_panel=PAYMENTS)
def run_pay(
    run: Run,
    *,
    amount: Annotated[str, typer.Option(help="In the currency's own units.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "USD",
    payment_id: Annotated[str, typer.Option("--id", help="The payment's id; a new one if not given.")] = "",
    timestamp: Annotated[str, typer.Option(help="ISO 8601 with zone, or epoch seconds; now if not given.")] = "",
    region: Annotated[
        list[str] | None, typer.Option(help="Where; the home Region if not given.", autocompletion=completion.regions)
    ] = None,
    everywhere: Annotated[bool, typer.Option("--everywhere", help="In every Region: it is charged once.")] = False,
    domain: Annotated[
        bool, typer.Option("--domain", help="At the environment's domain name, signed for any Region (SigV4A).")
    ] = False,
    status: Annotated[str, typer.Option("--status", help="Look at this payment instead.", metavar="ID")] = "",
    source: Annotated[str, typer.Option(help="The processor's token of what is charged.", metavar="TOKEN")] = "",
    reference: Annotated[str, typer.Option(help="Your own reference.", metavar="TEXT")] = "",
    metadata: Annotated[list[str] | None, typer.Option(help="A note, kept with it.", metavar="NAME=TEXT")] = None,
    merchant: Annotated[
        str,
        typer.Option(help="For this merchant of the settings.", metavar="NAME", autocompletion=completion.merchants),
    ] = "",
    rate: Annotated[float, typer.Option(help="Make this many payments a second, of random amounts.", min=0)] = 0.0,
    lasting: Annotated[str, typer.Option("--for", help="With --rate: for how long.", metavar="TIME")] = "10s",
    regions: Annotated[str, typer.Option(help="With --rate: where the clients are, a,b or all.")] = "all",
    yes: Yes = False,
) -> None:
    """Make a payment, signed with your credentials, or look at one. Exit code 1 unless it is made or accepted.

    Example: `payctl pay --amount 99.99 --id TXN001 --everywhere`, or `payctl pay --rate 50 --for 30s --regions all`
    """
    if not rate and bool(amount) == bool(status):
        raise ToolError("give --amount to pay, or --status ID to look at a payment")
    what = "--rate" if rate else "--status" if status else "--domain" if domain else "one payment"
    run.only(what, PAY_WITH[what])
    if everywhere and region:
        raise ToolError("--everywhere is in every Region", remedy="leave out --region")
    if rate:
        _pay_at_rate(run, rate, seconds_of(lasting), regions, source, yes=yes)
        return
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        asked = environment.regions if everywhere else pay.chosen(environment, region or ())
        transaction = pay.payment(
            payment_id=payment_id,
            amount=amount,
            currency=currency,
            timestamp=timestamp,
            source=source,
            reference=reference,
            metadata=metadata or (),
        )
        if status:
            replies = pay.look(environment, status, asked, merchant)
            pay.note_ruling(environment, kept_as(status, merchant))
        elif domain:
            replies = pay.pay_at_domain(environment, transaction, merchant)
        else:
            replies = pay.pay(environment, transaction, asked, merchant)
    run.answer(replies, render_payments.replies)
    if not pay.good(replies):
        raise typer.Exit(1)


def _pay_at_rate(run: Run, rate: float, seconds: float, regions: str, source: str, *, yes: bool) -> None:
    """Payments at a rate, each until its end is known; asks first where they move money. Exit code 1 unless each is
    final."""
    if not rate * seconds <= MOST_AT_ONCE:
        many = f"--rate {rate:g} for {seconds:g} s is more than {MOST_AT_ONCE:,} payments"
        raise ToolError(many, remedy="make fewer, or for a shorter time")
    with run.open() as environment:
        url = environment.settings.processor.url
        if url and not loopback(url):
            many = f"make about {rate * seconds:,.0f} payments of random amounts, which {url} charges"
            confirm(environment, "pay", many, yes=yes)
        near = environment.regions if regions == "all" else pay.chosen(environment, regions.split(","))
        log = load.pay_at_rate(environment, rate=rate, seconds=seconds, near=near, source=source)
    summary = log.summary()
    run.answer(summary | {"log": log.answers}, lambda _: render.figures(summary))
    if any(payment.state not in FINAL for payment in log.payments.values()):
        raise typer.Exit(1)


@app.command("logs", cls=Command, rich_help_panel=PAYMENTS)
def run_logs(
    run: Run,
    payment: Payment,
    *,
    minutes: Annotated[float, typer.Option(help="How far back, in minutes.", min=0)] = 60.0,
    follow: Annotated[float, typer.Option(help="How long to wait for more lines, in seconds.", min=0)] = 0.0,
    merchant: OfMerchant = "",
) -> None:
    """Show a payment's path through the logs of all Regions, in chronological order. Read only.

    Logs never hold an id, only its hash. Example: `payctl logs TXN001 --follow 60`
    """
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        payment = kept_as(payment, merchant)
        intent = Registers(environment).inspect(payment).intent
        now, count = time.time(), 0
        digest = intent.hash if intent else ""
        for line in logs.follow(environment, payment, digest, since=now - minutes * 60, until=now + follow):
            count += 1
            if run.as_json:
                render.print_json(line, indent=None)
            else:
                render_payments.log_line(line)
    if not count:
        render.say(f"no line of {payment} in the last {minutes:.0f} minutes", aside=True)


@app.command("parked", cls=Command, rich_help_panel=PAYMENTS)
def run_parked(
    run: Run,
    *,
    merchant: OfMerchant = "",
    limit: Annotated[int, typer.Option(help="How many to list.", min=1)] = 1000,
) -> None:
    """List the payments that wait for the processor or for you: why, how much, for how long. Read only.

    Exit code: 0 none, 2 some, 1 unknown. Example: `payctl parked`
    """
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        registers = Registers(environment)
        found, more = standings.parked(registers, limit=limit, wanted=lambda each: merchants.is_of(each, merchant))
        waiting = [parked.waiting(registers.context(), standing) for standing in found]
    run.answer(waiting, render_payments.parked)
    if more:
        render.say(f"there are more than these {limit}: list more with --limit", aside=True)
    if waiting:
        raise typer.Exit(2)


@app.command("resolve", cls=Command, rich_help_panel=PAYMENTS)
def run_resolve(
    run: Run,
    payment: Payment,
    *,
    settled: Annotated[str, typer.Option(help="It was charged: the processor's reference.", metavar="REFERENCE")] = "",
    not_charged: Annotated[bool, typer.Option("--not-charged", help="It was not charged; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why, kept with your identity beside the payment.")] = "",
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="The processor is gone for good: do not ask it.")
    ] = False,
    accept_risk: Annotated[
        bool, typer.Option("--accept-risk", help="Choose one of two results that stand against each other.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Close a parked payment, once and for all; who ruled, when and why is kept beside it.

    Refused if the processor knows better, or too early: `--not-charged` needs the processor's confirmation that the
    key is cancelled, or an hour since the attempt. Example: `payctl resolve TXN001 --settled ch_123`
    """
    with run.open() as environment:
        ruling = parked.ruling(
            by=environment.cloud.caller,
            settled=settled,
            not_charged=not_charged,
            reason=reason,
            unchecked=unchecked,
            accept_risk=accept_risk,
        )
        registers = Registers(environment)
        context, standing = registers.context(), registers.inspect(payment)
        if not standing.accepted_at and standing.answered > 1:
            raise ToolError(f"{payment} was not closed: no Region knows it", remedy="see `payctl parked`")
        known = parked.waiting(context, standing)
        confirm(
            environment,
            f"close {payment} as {ruling.status}",
            f"{payment}: {known.amount} {known.currency}, decided for {known.region or 'no Region'}, {known.why}",
            f"the processor knows it as {known.idempotency_key or 'nothing'}",
            f"{ruling.status} is written in two of three Regions, for good, by {ruling.by}",
            yes=yes,
        )
        done = registers.resolve(payment, ruling)
        if not done.done:
            raise parked.refusal(context, standing, done, registers.settings(environment.home).secret)
    run.answer(
        {"payment": payment, "status": ruling.status, "by": ruling.by, "says": done.says},
        lambda _: render.say(f"{payment}: {done.says} by {ruling.by}"),
    )


STATUSES: Final = (*FINAL, *listing.OPEN)
Since = Annotated[str, typer.Option(help="Not before: 2026-11-28, 2026-11-28T10:30Z, 2h or 7d ago.", metavar="TIME")]
Until = Annotated[str, typer.Option(help="Before this moment, written likewise.", metavar="TIME")]
Statuses = Annotated[list[str] | None, typer.Option("--status", help=f"One of {', '.join(STATUSES)}.")]
ExportedStatuses = Annotated[list[str] | None, typer.Option("--status", help=f"One of {', '.join(FINAL)}.")]
Currency = Annotated[str, typer.Option(help="ISO 4217 code.")]
Least = Annotated[str, typer.Option("--min", help="The smallest amount, in the currency's units.", metavar="AMOUNT")]
Most = Annotated[str, typer.Option("--max", help="The largest amount.", metavar="AMOUNT")]


@views.command("list", cls=Command)
def run_list(
    run: Run,
    *,
    since: Since = "",
    until: Until = "",
    status: Statuses = None,
    currency: Currency = "",
    least: Least = "",
    most: Most = "",
    merchant: OfMerchant = "",
    limit: Annotated[int, typer.Option(help="How many to show, the newest first.", min=1)] = 50,
) -> None:
    """List payments by their own time, status, amount and merchant, the newest first. Read only.

    Reads the whole public record of one Region, which DynamoDB charges for: rarely for millions of payments.
    Example: `payctl payments list --since 7d --status DECLINED --min 100 --currency EUR`
    """
    wanted = _wanted(since, until, status, currency, least, most, merchant)
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        found = listing.listing(environment, wanted, limit=limit)
    run.answer(found, render_views.listing)


@views.command("show", cls=Command)
def run_show(run: Run, payment: Payment, *, merchant: OfMerchant = "") -> None:
    """Show a payment as a whole: what each Region holds, and all that happened, also by the logs, in order. Read only.

    Example: `payctl payments show TXN001`
    """
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        whole = timeline.whole(environment, kept_as(payment, merchant))
    run.answer(whole, render_views.whole)


@views.command("export", cls=Command)
def run_export(
    run: Run,
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            help="The file, in Parquet if it is named *.parquet; standard output if not given.", metavar="FILE"
        ),
    ] = None,
    since: Since = "",
    until: Until = "",
    status: ExportedStatuses = None,
    currency: Currency = "",
    least: Least = "",
    most: Most = "",
    merchant: OfMerchant = "",
) -> None:
    """Export final payments as CSV or Parquet, in no order. Read only.

    Example: `payctl payments export --since 2026-11-01 --until 2026-12-01 --output november.csv`
    """
    if run.as_json and output is None:
        raise ToolError("--json tells what was written, and CSV goes to standard output", remedy="add --output FILE")
    for each in status or ():
        _require_exported(each)
    wanted = _wanted(since, until, status, currency, least, most, merchant, among=FINAL)
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        rows = listing.finals(environment, wanted)
        count = export.save(rows, output) if output else export.write(rows, sys.stdout)
    if output:
        run.answer({"file": str(output), "payments": count}, lambda _: render.say(f"{output}: {count} payments"))


def _require_exported(status: str) -> None:
    """Raises ToolError for a status that no final payment has: an export of none would read as if there were none."""
    *some, last = FINAL
    if status in listing.OPEN:
        raise ToolError(
            f"payments that are {status} are not exported: those are {', '.join(some)} or {last}",
            remedy=f"see `payctl parked`, or `payctl payments list --status {status}`",
        )


def _wanted(  # noqa: PLR0917 - the options, in their order
    since: str,
    until: str,
    statuses: list[str] | None,
    currency: str,
    least: str,
    most: str,
    merchant: str,
    *,
    among: Sequence[str] = STATUSES,
) -> listing.Wanted:
    """What the options name. Raises ToolError."""
    for each in statuses or ():
        if each not in among:
            raise ToolError(f"{each} is no status", remedy=f"use one of {', '.join(among)}")
    now, all_of = datetime.now(UTC), listing.Wanted()
    return listing.Wanted(
        since=listing.seconds_at(since, now) if since else all_of.since,
        until=listing.seconds_at(until, now) if until else all_of.until,
        statuses=tuple(statuses or ()),
        currency=currency,
        least=listing.decimal("--min", least) if least else all_of.least,
        most=listing.decimal("--max", most) if most else all_of.most,
        merchant=merchant,
    )
