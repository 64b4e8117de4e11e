"""Commands that make, follow and close payments."""

import time
from typing import Annotated

import typer
from payments.protocol.values import kept_as

from payctl.commands import completion, render
from payctl.commands.options import PAYMENTS, Command, OfMerchant, Run, Yes, confirm, seconds_of
from payctl.drills import load
from payctl.drills.client_log import FINAL
from payctl.payments import logs, merchants, parked, pay
from payctl.payments.registers import Registers
from stacksets.errors import ToolError

app = typer.Typer()
Payment = Annotated[str, typer.Argument(help="The payment's id; MERCHANT:ID where there are merchants.", metavar="ID")]


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
) -> None:
    """Make a payment, signed with your credentials, or look at one. Exit code 1 unless it is made or accepted.

    Example: `payctl pay --amount 99.99 --id TXN001 --everywhere`, or `payctl pay --rate 50 --for 30s --regions all`
    """
    if rate and merchant:
        raise ToolError("--rate pays for no merchant", remedy="leave out --merchant")
    if rate:
        _pay_at_rate(run, rate, seconds_of(lasting), regions)
        return
    if bool(amount) == bool(status):
        raise ToolError("give --amount to pay, or --status ID to look at a payment")
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
    run.answer(replies, render.replies)
    if not pay.good(replies):
        raise typer.Exit(1)


def _pay_at_rate(run: Run, rate: float, seconds: float, regions: str) -> None:
    """Payments at a rate, each until its end is known. Exit code 1 unless each is final."""
    with run.open() as environment:
        near = environment.regions if regions == "all" else pay.chosen(environment, regions.split(","))
        log = load.pay_at_rate(environment, rate=rate, seconds=seconds, near=near)
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
                render.log_line(line)
    if not count:
        render.say(f"no line of {payment} in the last {minutes:.0f} minutes", aside=True)


@app.command("parked", cls=Command, rich_help_panel=PAYMENTS)
def run_parked(run: Run, *, merchant: OfMerchant = "") -> None:
    """List the payments that wait for the processor or for you: why, how much, for how long. Read only.

    Exit code: 0 none, 2 some, 1 unknown. Example: `payctl parked`
    """
    with run.open() as environment:
        merchants.require(environment.settings, merchant)
        registers = Registers(environment)
        mine = (standing for standing in registers.parked() if merchants.is_of(standing.payment, merchant))
        waiting = [parked.waiting(registers.context(), standing) for standing in mine]
    run.answer(waiting, render.parked)
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
